"""Builds the Go programs of `binaries/` once and keeps them outside the checkout.

The folder's name is a hash of everything that goes into the build, so that an unchanged module
never builds twice and two checkouts never disturb each other.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from localcluster.commands import run, tail
from localcluster.errors import BuildFailed, CannotRunHere
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages

MODULE = PACKAGE / "binaries"
PROGRAMS = ("kubernetes", "coredns", "metrics-server", "kwok", "pause", "layertar")
MINIMUM_GO = (1, 21)  # the first that fetches the toolchain named in go.mod by itself
_PROGRESS_SECONDS = 15.0


def module_hash(module: Path) -> str:
    """Hash of the module's files: names and contents."""
    digest = hashlib.sha256()
    files = [module / "go.mod", module / "go.sum", *sorted(module.glob("cmd/**/*.go"))]
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(module)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


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


def go_program() -> str | None:
    """The go command: of PATH, else where Go's own installer puts it."""
    standard = Path("/usr/local/go/bin/go")
    return shutil.which("go") or (str(standard) if standard.exists() else None)


def cached_binaries() -> Path | None:
    """Folder of the programs if they are built already, with whatever version of Go."""
    wanted = module_hash(MODULE)
    go = go_program()
    if go is not None:
        folder = _folder(wanted, run([go, "env", "GOVERSION"], cwd=MODULE).strip())
        return folder if _complete(folder) else None
    for marker in sorted((cache_root() / "binaries").glob("*/inputs.json")):
        if json.loads(marker.read_text())["module"] == wanted and _complete(marker.parent):
            return marker.parent
    return None


def ensure_binaries(stages: Stages) -> Path:
    """Folder with all programs, built now if need be."""
    cached = cached_binaries()
    if cached is not None:
        return cached
    go = go_program()
    if go is None:
        raise CannotRunHere(
            "no Kubernetes programs and no Go to build them with",
            why=f"`go` is not on PATH and {cache_root() / 'binaries'} has no build of this module",
            fix=f"install Go {'.'.join(map(str, MINIMUM_GO))} or later (https://go.dev/dl), then try again",
        )
    go_version = run([go, "env", "GOVERSION"], cwd=MODULE).strip()
    folder = _folder(module_hash(MODULE), go_version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(folder):
            _build(go, folder, go_version, stages)
    return folder


def _folder(module: str, go_version: str) -> Path:
    key = hashlib.sha256(f"{module} {go_version} {platform.machine()}".encode()).hexdigest()
    return cache_root() / "binaries" / key


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in (*PROGRAMS, "inputs.json"))


def _build(go: str, folder: Path, go_version: str, stages: Stages) -> None:
    version = kubernetes_version((MODULE / "go.mod").read_text())
    stages.say(f"binaries: building Kubernetes {version} and add-ons with {go_version} (minutes, only this once)")
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    try:
        argv = ["nice", "-n", "5", go, "build", "-v", "-trimpath", "-ldflags", linker_flags(version)]
        _watch([*argv, "-o", f"{draft}/", "./cmd/..."], stages)
        (draft / "inputs.json").write_text(json.dumps({"module": module_hash(MODULE), "go": go_version}))
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    stages.say(f"binaries: built into {folder}")


def _watch(argv: list[str], stages: Stages) -> None:
    """Run the build; say from time to time how many packages are compiled."""
    # cgo would tie the programs to this machine's libc; the add-ons run in images that have none.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    with subprocess.Popen(
        argv, cwd=MODULE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as build:
        assert build.stderr is not None  # noqa: S101 - it is a pipe
        lines: list[str] = []
        said = time.monotonic()
        for line in build.stderr:
            lines.append(line)
            if time.monotonic() - said > _PROGRESS_SECONDS:
                stages.say(f"binaries: {len(lines)} packages fetched or compiled, now {line.strip()}")
                said = time.monotonic()
        if build.wait() != 0:
            raise BuildFailed(
                "go build failed", why=tail("".join(lines)), fix=f"run `go build ./cmd/...` in {MODULE} to see all"
            )
