"""The local cluster with Marquee of this tree and one model behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from demo.canary import provide_api_key
from demo.images import SERVING, provide_images
from demo.story import SYSTEM, install
from demo.target import Target, wait_for
from localcluster import Cluster
from localcluster.stages import Stages
from tests.support.place import fresh_place
from tests.support.ramp import Ramp


@contextmanager
def standing(stages: Stages) -> Iterator[Ramp]:
    """The model answers through the gateway while the block runs."""
    cluster = Cluster.up(stages=stages)
    target = Target(kubeconfig=cluster.kubeconfig, program=cluster.program, local=cluster)
    images, gateway = provide_images(target, stages, SERVING), cluster.gateway(stages)
    provide_api_key(target, SYSTEM)
    install(target, images, stages)
    with fresh_place(target, "bench") as place:
        ramp = Ramp(place, gateway)
        ramp.serve()
        wait_for(ramp.url, lambda: ramp.answers() or None, timeout_seconds=60)
        yield ramp
