"""Builds the programs of a Go module once and keeps them outside the checkout.

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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import run, tail
from localcluster.errors import BuildFailed, CannotRunHere
from localcluster.paths import cache_root
from localcluster.stages import Stages

MINIMUM_GO = (1, 21)  # the first that fetches the toolchain named in go.mod by itself
_PROGRESS_SECONDS = 15.0


@dataclass(frozen=True)
class Recipe:
    """What is built from one Go module."""

    title: str
    """What people call it, such as Helm."""
    module: Path
    outputs: tuple[str, ...]
    """Files that a complete build has."""
    inputs: tuple[Path, ...] = ()
    """Files beside the module that decide what is built."""


def module_hash(module: Path, *inputs: Path) -> str:
    """Hash of the module's files and of further inputs: names and contents."""
    digest = hashlib.sha256()
    files = [module / "go.mod", module / "go.sum", *sorted(module.glob("cmd/**/*.go"))]
    for name, file in [(str(f.relative_to(module)), f) for f in files] + [(f.name, f) for f in inputs]:
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def go_program() -> str | None:
    """The go command: of PATH, else where Go's own installer puts it."""
    standard = Path("/usr/local/go/bin/go")
    return shutil.which("go") or (str(standard) if standard.exists() else None)


def cached(recipe: Recipe) -> Path | None:
    """Folder of a complete build, None when there is none; where Go is missing, one of whatever version of Go."""
    wanted = module_hash(recipe.module, *recipe.inputs)
    go = go_program()
    if go is not None:
        folder = _folder(wanted, _go_version(go, recipe))
        return folder if _complete(recipe, folder) else None
    for marker in sorted((cache_root() / "binaries").glob("*/inputs.json")):
        if json.loads(marker.read_text())["module"] == wanted and _complete(recipe, marker.parent):
            return marker.parent
    return None


def ensure(recipe: Recipe, build: Callable[[str, Path], None], stages: Stages) -> Path:
    """Folder of a complete build, made now if need be by `build(go, folder)`.

    Raises:
        BuildFailed: `build` said so.
        CannotRunHere: nothing is built and there is no Go.

    """
    found = cached(recipe)
    if found is not None:
        return found
    go = go_program()
    if go is None:
        raise CannotRunHere(
            f"no build of {recipe.title} and no Go to make one",
            why=f"`go` is not on PATH and {cache_root() / 'binaries'} has no build of {recipe.module}",
            fix=f"install Go {'.'.join(map(str, MINIMUM_GO))} or later (https://go.dev/dl), then try again",
        )
    wanted, version = module_hash(recipe.module, *recipe.inputs), _go_version(go, recipe)
    folder = _folder(wanted, version)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{recipe.module.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(recipe, folder):
            _fill(folder, lambda draft: build(go, draft), {"module": wanted, "go": version})
            stages.say(f"{recipe.module.name}: built into {folder}")
    return folder


def published(go: str, recipe: Recipe, module: str) -> Path:
    """A module's own files, of the version that the recipe's go.mod comes to."""
    return Path(json.loads(run([go, "mod", "download", "-json", module], cwd=recipe.module))["Dir"])


def required_version(go_mod: str, module: str, *, where: Path) -> str:
    """Version of a module that a go.mod requires, such as v2.19.0.

    Raises:
        BuildFailed: it requires no release; `where` is the file to repair.

    """
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\d+\.\d+\.\d+)\b", go_mod, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"go.mod requires no release of {module}", fix=f"repair {where}")
    return found.group(1)


def joined(manifests: Iterable[Path]) -> str:
    """YAML files as one."""
    return "\n---\n".join(file.read_text().removeprefix("---\n") for file in manifests)


def compile_programs(go: str, recipe: Recipe, arguments: Sequence[str | Path], stages: Stages) -> None:
    """Run `go build ARGUMENTS` in the module; say from time to time how many packages are compiled."""
    # cgo would tie the programs to this machine's libc; the add-ons run in images that have none.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    argv = ["nice", "-n", "5", go, "build", "-v", "-trimpath", *map(str, arguments)]
    with subprocess.Popen(
        argv, cwd=recipe.module, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as build:
        assert build.stderr is not None  # noqa: S101 - it is a pipe
        lines: list[str] = []
        said = time.monotonic()
        for line in build.stderr:
            lines.append(line)
            if time.monotonic() - said > _PROGRESS_SECONDS:
                name = recipe.module.name
                stages.say(f"{name}: {len(lines)} packages fetched or compiled, now {line.strip()}")
                said = time.monotonic()
        if build.wait() != 0:
            raise BuildFailed(
                f"go build of {recipe.title} failed",
                why=tail("".join(lines)),
                fix=f"run `go build {arguments[-1]}` in {recipe.module} to see all",
            )


def _go_version(go: str, recipe: Recipe) -> str:
    return run([go, "env", "GOVERSION"], cwd=recipe.module).strip()


def _folder(module: str, go_version: str) -> Path:
    key = hashlib.sha256(f"{module} {go_version} {platform.machine()}".encode()).hexdigest()
    return cache_root() / "binaries" / key


def _complete(recipe: Recipe, folder: Path) -> bool:
    return all((folder / name).exists() for name in (*recipe.outputs, "inputs.json"))


def _fill(folder: Path, build: Callable[[Path], None], inputs: dict[str, str]) -> None:
    """Make the folder in one step, so that nobody ever sees half a build."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    try:
        build(draft)
        (draft / "inputs.json").write_text(json.dumps(inputs))
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
