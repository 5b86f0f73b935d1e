"""Helm, built once from its Go module in this folder, for the chart's tests and for `localcluster helm`."""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from localcluster import commands, kubectl
from localcluster.errors import BuildFailed, CannotRunHere, CommandFailed
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages
from localcluster.toolchain import go_program, module_hash

MODULE = PACKAGE / "helm"
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
    wanted = module_hash(MODULE)
    go = go_program()
    if go is None:
        return _built_before(wanted)
    go_version = commands.run([go, "env", "GOVERSION"], cwd=MODULE).strip()
    key = hashlib.sha256(f"{wanted} {go_version} {platform.machine()}".encode()).hexdigest()
    folder = cache_root() / "binaries" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "helm").exists():
            _build(go, folder, {"module": wanted, "go": go_version}, stages)
    return folder / "helm"


def _built_before(wanted: str) -> Path:
    for marker in sorted((cache_root() / "binaries").glob("*/inputs.json")):
        program = marker.with_name("helm")
        if program.exists() and json.loads(marker.read_text())["module"] == wanted:
            return program
    raise CannotRunHere(
        "no Helm and no Go to build it with",
        why=f"`go` is not on PATH and {cache_root() / 'binaries'} has no build of {MODULE}",
        fix="install Go (https://go.dev/dl), then try again",
    )


def _build(go: str, folder: Path, inputs: dict[str, str], stages: Stages) -> None:
    stages.say("helm: building (about two minutes, only this once)")
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    flags = linker_flags((MODULE / "go.mod").read_text())
    build = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(draft / "helm"), _PACKAGE]
    try:
        commands.run(
            ["nice", "-n", "5", *build],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        )
        (draft / "inputs.json").write_text(json.dumps(inputs))
        draft.chmod(0o755)
        draft.rename(folder)
    except CommandFailed as error:
        raise BuildFailed(
            "go build of Helm failed", why=error.why, fix=f"run `go build {_PACKAGE}` in {MODULE}"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    stages.say(f"helm: built into {folder}")


def _required(go_mod: str, module: str, version: str) -> str:
    found = re.search(rf"^\s*{re.escape(module)} ({version})\b", go_mod, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"go.mod requires no release of {module}", fix=f"repair {MODULE / 'go.mod'}")
    return found.group(1)
