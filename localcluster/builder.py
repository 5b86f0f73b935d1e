"""buildah with its own storage in the cache folder, without a daemon and without Docker."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcluster.commands import run
from localcluster.errors import BuildFailed, CommandFailed
from localcluster.machine import OVERLAY_CANNOT_LIE_ON, filesystem_of
from localcluster.mounts import unmount_below
from localcluster.paths import cache_root

_LABEL = "marquee.dev/base"


def storage() -> Path:
    """Folder of layers and images."""
    return cache_root() / "buildah"


@contextlib.contextmanager
def lock(*, wait: bool = True) -> Iterator[None]:
    """One build at a time; raises BlockingIOError when another one goes on and `wait` is false."""
    folder = cache_root() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def release() -> None:
    """Unmount what buildah leaves mounted between builds, unless a build goes on."""
    with contextlib.suppress(BlockingIOError), lock(wait=False):
        unmount_below(storage())


def storage_driver() -> str:
    """An overlay, unless the cache folder lies on one."""
    on = filesystem_of(storage(), Path("/proc/self/mountinfo").read_text())
    return "vfs" if on in OVERLAY_CANNOT_LIE_ON else "overlay"


def buildah(*words: str | Path) -> str:
    """Run buildah on the cache's storage."""
    root = storage()
    options: list[str | Path] = ["--root", root, "--runroot", root / "run", "--storage-driver", storage_driver()]
    # chroot isolation needs no runtime and works inside containers too.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(temporary())}
    return run(["buildah", *options, *words], env=environment)


def inspect(name: str) -> dict[str, Any] | None:
    """What buildah knows of a built image, None when there is none of this name."""
    try:
        found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", name))
    except CommandFailed:
        return None
    return found


def image_id(name: str) -> str | None:
    """Identity of a built image, None when there is none of this name."""
    found = inspect(name)
    return None if found is None else str(found["FromImageID"])


def build(
    name: str,
    *,
    dockerfile: Path,
    context: Path,
    arguments: Mapping[str, str],
    mounts: Sequence[str],
    ignore_file: Path | None,
) -> None:
    """Build a Dockerfile; steps that did not change come from the layer cache."""
    options: list[str | Path] = ["--layers", "--pull-never", "--tag", name, "--file", dockerfile]
    options += [f"--build-arg={key}={value}" for key, value in arguments.items()]
    options += [f"--volume={mount}" for mount in mounts]
    if ignore_file is not None:
        options += ["--ignorefile", ignore_file]
    replaced = image_id(name)
    try:
        buildah("build", *options, context)
    except CommandFailed as failure:
        raise BuildFailed(
            f"building {name} from {dockerfile} failed",
            why=failure.why,
            fix="read the failing step above; a base that is not here must be built first "
            "(image base python) or be given by --base",
        ) from failure
    if replaced is not None and replaced != image_id(name):
        _remove_unused(replaced)


def label(name: str) -> str | None:
    """The label that `import_root` gave an image, None when there is no such image."""
    found = inspect(name)
    return None if found is None else (found["OCIv1"]["config"].get("Labels") or {}).get(_LABEL)


def import_root(name: str, archive: Path, environment: Mapping[str, str], *, label: str) -> None:
    """Make an image of one layer from a tar of a root file system."""
    replaced = image_id(name)
    container = buildah("from", "scratch").strip()
    try:
        buildah("add", "--quiet", container, archive, "/")
        variables = [f"--env={key}={value}" for key, value in environment.items()]
        buildah("config", *variables, "--label", f"{_LABEL}={label}", "--cmd", "/bin/bash", container)
        buildah("commit", "--quiet", container, name)
    finally:
        buildah("rm", container)
    if replaced is not None:
        _remove_unused(replaced)


def _remove_unused(identity: str) -> None:
    # Refused while other images are built on it; then its layers are not wasted.
    with contextlib.suppress(CommandFailed):
        buildah("rmi", identity)


def temporary() -> Path:
    """Folder for large temporary files."""
    folder = cache_root() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
