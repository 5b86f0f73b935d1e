"""Triton's image for the local cluster, built when its recipe has changed."""

from __future__ import annotations

from localcluster import images
from localcluster.paths import PACKAGE
from localcluster.stages import Stages

_DOCKERFILE = PACKAGE / "triton" / "Dockerfile"


def provide(stages: Stages) -> str:
    """Build the image, hand it to the cluster's containerd, and return its name."""
    context = PACKAGE.parent
    name = f"localhost/marquee/triton:{images.inputs_hash(_DOCKERFILE, context, {}, ())[:12]}"
    images.build(name, dockerfile=_DOCKERFILE, context=context, base="triton", stages=stages)
    if images.load(name):
        stages.say(f"image {name}: handed to the cluster")
    return name
