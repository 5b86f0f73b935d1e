"""The local cluster with KEDA and Marquee from this tree, and one model that scales by its requests."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from demo.canary import provide_api_key
from demo.images import SERVING, provide_images
from demo.story import SYSTEM, install
from demo.target import Target, wait_for, wait_until_ready
from localcluster import Cluster, keda
from localcluster.kubectl import environment
from localcluster.stages import Stages
from tests.bench.scaling.measuring import Replicas
from tests.support.artifacts import write_manifest
from tests.support.place import Place, fresh_place
from tests.unit.front.artifacts import deep_graph

MODEL: Final = "calls"
REVISION: Final = "calls-v1"
INPUTS: Final = {"recency": 1.0, "frequency": 2.0, "spend": 3.0}
OBJECTIVE_MILLISECONDS: Final = 250
TARGET_RATE: Final = 20
"""Requests a second that one pod is to answer."""
BY_REQUESTS: Final[dict[str, Any]] = {
    "class": "KEDA",
    "minReplicas": 1,
    "maxReplicas": 4,
    "requestsPerSecond": TARGET_RATE,
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 0},
        "scaleDown": {"stabilizationWindowSeconds": 60},
    },
}
_SERVING: Final = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "384Mi"}}}


@contextmanager
def standing(stages: Stages) -> Iterator[Place]:
    """A namespace of a cluster that has everything."""
    cluster = Cluster.up(stages=stages)
    target = Target(kubeconfig=cluster.kubeconfig, program=cluster.program, local=cluster)
    images = provide_images(target, stages, SERVING)
    cluster.keda(stages)
    provide_api_key(target, SYSTEM)
    install(target, images, stages, keda={"namespace": keda.NAMESPACE})
    with fresh_place(target, "bench") as place:
        yield place


def serve(place: Place, scaling: dict[str, Any]) -> str:
    """A model of about a millisecond with that scaling; its address, once it answers and KEDA scales it."""
    folder = place.volume / REVISION
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(deep_graph(features=len(INPUTS)))
    written = write_manifest(folder, MODEL)
    place.hand_over(folder)
    place.apply_revision(REVISION, MODEL, written.digest)
    apply(place, scaling)
    wait_until_ready(place.target, MODEL, place.namespace)
    wait_for("KEDA", lambda: _is_scaled(place) or None, timeout_seconds=90)
    return place.url(MODEL)


def apply(place: Place, scaling: dict[str, Any]) -> None:
    """The model with that scaling."""
    place.apply_model(
        MODEL, REVISION, serving=_SERVING, scaling=scaling, slo={"latencyMilliseconds": OBJECTIVE_MILLISECONDS}
    )


def _is_scaled(place: Place) -> bool:
    status = (place.target.get("marketingmodel", MODEL, place.namespace) or {}).get("status", {})
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    return conditions.get("AutoscalerReady") == "True"


@dataclass
class History:
    """Ready pods over time, as the Deployment says; the times are of the machine's monotonic clock."""

    seen: list[Replicas] = field(default_factory=list)

    @property
    def ready(self) -> int:
        """Now."""
        return self.seen[-1].ready if self.seen else 0

    def until(self, pods: int, *, timeout_seconds: float) -> float:
        """When so many were ready; waits for it."""
        wait_for(f"{pods} ready pods", lambda: self._when(pods), timeout_seconds=timeout_seconds)
        when = self._when(pods)
        assert when is not None
        return when

    def since(self, started: float) -> list[Replicas]:
        """The same, in seconds from a moment."""
        return [Replicas(one.at - started, one.ready) for one in self.seen]

    def _when(self, pods: int) -> float | None:
        """When the present run of at least so many began."""
        begun = None
        for one in self.seen:
            begun = None if one.ready < pods else begun if begun is not None else one.at
        return begun


@contextmanager
def watching(place: Place) -> Iterator[History]:
    """Keep the history while the block runs: one kubectl that watches."""
    history = History()
    command = [str(place.target.program), "kubectl", "get", "deployment", REVISION, "-n", place.namespace]
    process = subprocess.Popen(
        [*command, "--watch", "-o", 'jsonpath={.status.readyReplicas}{"\\n"}'],
        env=environment(place.target.kubeconfig),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = process.stdout

    def read() -> None:
        for line in lines:
            history.seen.append(Replicas(time.monotonic(), int(line.strip() or 0)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield history
    finally:
        process.terminate()
        process.wait()
        reader.join()
        lines.close()
