"""Builds ordinary Dockerfiles without Docker and hands the images to the cluster's containerd.

Both steps are skipped when nothing changed: a build when the hash of context, Dockerfile, arguments
and base is the one that the image was built from, a hand-over when containerd has the same image.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcluster import bases, builder, handover, hostaccess, ignorefile, machine, packages
from localcluster.errors import BuildFailed, StartFailed
from localcluster.paths import Layout, cache_root, shared_layout
from localcluster.runtime import Runtime
from localcluster.stages import Stages
from localcluster.toolchain import ensure_binaries

_NAME = re.compile(r"localhost/[a-z0-9][a-z0-9._/-]*:[A-Za-z0-9_][A-Za-z0-9._-]*")


def build(
    name: str,
    *,
    dockerfile: Path,
    context: Path,
    build_args: Mapping[str, str] | None = None,
    base: str | None = None,
    stages: Stages | None = None,
) -> bool:
    """Build an image; False when the same inputs were built before.

    `base` is the value of the build argument BASE: the name of an image built here, or `python` or
    `trainer` for a local base, which is made when it is missing.
    """
    stages = stages or Stages()
    _check_name(name)
    for path in (dockerfile, context):
        if not path.exists():
            raise BuildFailed(f"{path} does not exist", fix="give the Dockerfile and the context folder")
    packages.ensure(packages.IMAGES, stages)
    arguments = dict(build_args or {})
    if base is not None:
        arguments["BASE"] = bases.ensure(base, stages) if base in bases.BASES else base
    with builder.lock():
        names = local_images(dockerfile.read_text(), arguments)
        inputs = inputs_hash(dockerfile, context, arguments, [builder.image_id(other) for other in names])
        known = _Records(cache_root() / "images" / "built.json")
        if known.get(name) == [inputs, builder.image_id(name)]:
            stages.say(f"image {name}: unchanged")
            return False
        stages.say(f"image {name}: building")
        builder.build(
            name,
            dockerfile=dockerfile,
            context=context,
            arguments={**hostaccess.declared_arguments(dockerfile.read_text()), **arguments},
            mounts=hostaccess.mounts(cache_root() / "images"),
            ignore_file=ignorefile.find(dockerfile, context),
        )
        known.put(name, [inputs, builder.image_id(name)])
        stages.say(f"image {name}: built")
    return True


def load(name: str, *, layout: Layout | None = None) -> bool:
    """Hand a built image to containerd; False when it has the same already."""
    _check_name(name)
    layout = layout or shared_layout()
    inspected = builder.inspect(name)
    if inspected is None:
        raise BuildFailed(f"no image {name} was built here", fix=f"python3 -m localcluster image build {name} ...")
    if not layout.containerd_socket.exists():
        raise StartFailed("the cluster's containerd does not run", fix="python3 -m localcluster up")
    image = handover.find(name, inspected, builder.storage(), builder.storage_driver())
    runtime = Runtime(layout)
    if runtime.images().get(name) == handover.digest(image.manifest):
        return False
    layertar = ensure_binaries(Stages()) / "layertar"
    archive = builder.temporary() / f"image-{os.getpid()}.tar"
    try:
        handover.write_archive(image, runtime.blobs(), layertar, archive)
        runtime.import_archive(archive, snapshotter=machine.snapshotter(layout))
    finally:
        archive.unlink(missing_ok=True)
    return True


def local_images(dockerfile: str, arguments: Mapping[str, str]) -> list[str]:
    """Names of images built here that a Dockerfile or its arguments mention."""
    return sorted({found for text in (dockerfile, *arguments.values()) for found in _NAME.findall(text)})


def inputs_hash(dockerfile: Path, context: Path, arguments: Mapping[str, str], bases_ids: Sequence[str | None]) -> str:
    """Hash of everything that decides what an image will hold; `bases_ids` of the images it builds on."""
    ignore_file = ignorefile.find(dockerfile, context)
    ignore = ignorefile.Ignore(ignore_file.read_text() if ignore_file else "")
    digest = hashlib.sha256()

    def add(*words: str | bytes) -> None:
        for word in words:
            content = word.encode() if isinstance(word, str) else word
            digest.update(len(content).to_bytes(8, "big") + content)

    add("1", json.dumps(list(bases_ids)), dockerfile.read_bytes(), json.dumps(sorted(arguments.items())))
    for file in ignorefile.files(context, ignore):
        name = file.relative_to(context).as_posix()
        if file.is_symlink():
            add("link", name, str(file.readlink()))
        elif file.is_file():
            # Of the mode only what the image keeps and version control knows.
            executable = "x" if file.stat().st_mode & 0o100 else "-"
            add("file", name, executable, file.read_bytes())
    return digest.hexdigest()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise BuildFailed(
            f"{name!r} is no name for a local image",
            why="images that no registry has are named localhost/...:TAG, or Kubernetes looks for them elsewhere",
            fix="such as localhost/marquee/predictor:dev",
        )


class _Records:
    """A small JSON file of what was done for which image name."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, name: str) -> list[str | None] | None:
        content: dict[str, list[str | None]] = self._all()
        return content.get(name)

    def put(self, name: str, value: list[str | None]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps({**self._all(), name: value}, indent=1))

    def _all(self) -> dict[str, list[str | None]]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}
