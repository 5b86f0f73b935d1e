"""Helm, built once from its Go module in this folder, for the chart's tests and for `localcluster helm`."""

import re
from collections.abc import Sequence
from pathlib import Path

from localcluster import commands, gobuild, kubectl
from localcluster.errors import BuildFailed
from localcluster.gobuild import Recipe
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages

MODULE = PACKAGE / "helm"
_RECIPE = Recipe("Helm", MODULE, ("helm",))
_PACKAGE = "helm.sh/helm/v3/cmd/helm"
_VERSION_VARIABLE = "helm.sh/helm/v3/internal/version.version"
_KUBERNETES_VARIABLES = ("helm.sh/helm/v3/pkg/chartutil.k8sVersion", "helm.sh/helm/v3/pkg/lint/rules.k8sVersion")


def run(
    kubeconfig: Path,
    args: Sequence[str],
    *,
    input: str | None = None,  # noqa: A002 - the name that subprocess gives it
    stages: Stages | None = None,
) -> str:
    """Run Helm against one cluster and return what it prints on stdout; `input` is for `--values -`.

    Raises:
        CommandFailed: Helm said no, with its last lines.

    """
    program = ensure_helm(stages or Stages(quiet=True))
    return commands.run([program, *args], input=input, env=environment(kubeconfig))


def environment(kubeconfig: Path) -> dict[str, str]:
    """Environment in which Helm talks to this cluster and knows nothing of its user's repositories and plugins."""
    home = cache_root() / "helm"
    homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    return {**kubectl.environment(kubeconfig), **homes}


def linker_flags(go_mod: str) -> str:
    """Flags that tell Helm its version, and which Kubernetes `helm template` shall assume without a cluster."""
    helm = _required(go_mod, "helm.sh/helm/v3", r"v\d+\.\d+\.\d+")
    minor = _required(go_mod, "k8s.io/client-go", r"v0\.\d+\.\d+").split(".")[1]
    kubernetes = [
        f"-X {variable}{part}" for variable in _KUBERNETES_VARIABLES for part in ("Major=1", f"Minor={minor}")
    ]
    return " ".join(["-s -w", f"-X {_VERSION_VARIABLE}={helm}", *kubernetes])


def ensure_helm(stages: Stages) -> Path:
    """The program, built now if need be."""

    def build(go: str, folder: Path) -> None:
        stages.say("helm: building (about two minutes, only this once)")
        flags = linker_flags((MODULE / "go.mod").read_text())
        gobuild.compile_programs(go, _RECIPE, ["-ldflags", flags, "-o", folder / "helm", _PACKAGE], stages)

    return gobuild.ensure(_RECIPE, build, stages) / "helm"


def _required(go_mod: str, module: str, version: str) -> str:
    found = re.search(rf"^\s*{re.escape(module)} ({version})\b", go_mod, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"go.mod requires no release of {module}", fix=f"repair {MODULE / 'go.mod'}")
    return found.group(1)
