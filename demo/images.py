"""The three images: built from this tree for the local cluster, or named by ``$MARQUEE_IMAGES`` for another one."""

from __future__ import annotations

import os
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from demo.errors import DemoError
from demo.target import Target
from localcluster import images
from localcluster.stages import Stages

ROOT: Final = Path(__file__).resolve().parents[1]
VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one image is made: a layer of locked packages, and this tree's code on top of it."""

    name: str
    folder: str
    base: str


OPERATOR: Final = Recipe("operator", "operator", base="python")
PREDICTOR: Final = Recipe("predictor", "bentos", base="python")
TRAINER: Final = Recipe("trainer", "models", base="trainer")
SERVING: Final = (OPERATOR, PREDICTOR)
EVERY: Final = (*SERVING, TRAINER)


@dataclass(frozen=True, slots=True)
class Images:
    """Names that the cluster can start containers from."""

    operator: str
    predictor: str
    trainer: str = ""
    """Empty where nothing is trained: its packages take minutes to build."""

    def chart_values(self) -> dict[str, Any]:
        """The chart's values that name them."""
        trainer = {"trainer": {"image": _named(self.trainer)}} if self.trainer else {}
        return {"image": _named(self.operator), "predictor": {"image": _named(self.predictor)}, **trainer}


def provide_images(target: Target, stages: Stages, recipes: tuple[Recipe, ...] = EVERY) -> Images:
    """Build what has changed, and hand it to the cluster.

    Raises:
        DemoError: the target is not the local cluster and ``$MARQUEE_IMAGES`` is not set.

    """
    if target.local is None:
        return _of_registry()
    built = build_images(stages, recipes)
    for name in astuple(built):
        if name and images.load(name):
            stages.say(f"image {name}: handed to the cluster")
    return built


def build_images(stages: Stages, recipes: tuple[Recipe, ...] = EVERY) -> Images:
    """Build what has changed; there need be no cluster yet."""
    return Images(**{recipe.name: _build(recipe, stages) for recipe in recipes})


def _of_registry() -> Images:
    prefix = os.environ.get("MARQUEE_IMAGES", "").rstrip("/")
    if not prefix:
        raise DemoError(
            "KUBECONFIG names a cluster that cannot see images of this machine, and MARQUEE_IMAGES is not set. "
            "Build and push them, then name their common prefix:\n"
            "  for part in operator bentos models; do\n"
            "    docker build -t PREFIX/$part-deps -f $part/Dockerfile.deps .\n"
            f"    docker build -t PREFIX/$part:{VERSION} -f $part/Dockerfile --build-arg BASE=PREFIX/$part-deps .\n"
            "  done\n"
            "  MARQUEE_IMAGES=PREFIX make demo"
        )
    tag = os.environ.get("MARQUEE_TAG", VERSION)
    return Images(**{recipe.name: f"{prefix}/{recipe.folder}:{tag}" for recipe in (OPERATOR, PREDICTOR, TRAINER)})


def _build(recipe: Recipe, stages: Stages) -> str:
    """Build an image under a tag that names its content, so that changed code is another image to the cluster."""
    folder = ROOT / recipe.folder
    packages = f"localhost/marquee/{recipe.name}-deps:latest"
    images.build(packages, dockerfile=folder / "Dockerfile.deps", context=ROOT, base=recipe.base, stages=stages)
    content = images.inputs_hash(folder / "Dockerfile", ROOT, {}, ())[:12]
    name = f"localhost/marquee/{recipe.name}:{content}"
    images.build(name, dockerfile=folder / "Dockerfile", context=ROOT, base=packages, stages=stages)
    return name


def _named(image: str) -> dict[str, str]:
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}
