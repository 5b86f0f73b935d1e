"""The programs of the cluster itself, from the Go module in `binaries/`."""

import re
from pathlib import Path

from localcluster import gobuild
from localcluster.errors import BuildFailed
from localcluster.gobuild import Recipe
from localcluster.paths import PACKAGE
from localcluster.stages import Stages

MODULE = PACKAGE / "binaries"
PROGRAMS = ("kubernetes", "coredns", "metrics-server", "kwok", "pause", "layertar")
_RECIPE = Recipe("Kubernetes and its add-ons", MODULE, PROGRAMS)


def kubernetes_version(go_mod: str) -> str:
    """Version of k8s.io/kubernetes that a go.mod requires, such as v1.35.4."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)$", go_mod, re.MULTILINE)
    if found is None:
        raise BuildFailed("go.mod requires no release of k8s.io/kubernetes", fix=f"repair {MODULE / 'go.mod'}")
    return found.group(1)


def linker_flags(version: str) -> str:
    """Flags that tell the server its version; without them it says v0.0.0-master."""
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items())


def cached_binaries() -> Path | None:
    """Folder of the programs if they are built already."""
    return gobuild.cached(_RECIPE)


def ensure_binaries(stages: Stages) -> Path:
    """Folder with all programs, built now if need be."""

    def build(go: str, folder: Path) -> None:
        version = kubernetes_version((MODULE / "go.mod").read_text())
        stages.say(f"binaries: building Kubernetes {version} and add-ons (minutes, only this once)")
        arguments = ["-ldflags", linker_flags(version), "-o", f"{folder}/", "./cmd/..."]
        gobuild.compile_programs(go, _RECIPE, arguments, stages)

    return gobuild.ensure(_RECIPE, build, stages)
