"""Images from scratch around one program, written directly as docker-archive files.

A builder would take seconds and a base image; the format is a tar with a manifest, a configuration
and one layer, and equal inputs give equal bytes.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ScratchImage:
    """An image that holds one program and runs it."""

    name: str
    program: Path
    user: str = "65532:65532"
    files: Mapping[str, Path] = field(default_factory=dict)
    """Further files by their path in the image, such as a program's libraries."""


def architecture() -> str:
    """Architecture of the machine in the words of image formats."""
    return _ARCHITECTURES[platform.machine()]


def write(image: ScratchImage, archive: Path) -> None:
    """Write the image as a docker-archive."""
    layer = archive.with_suffix(".layer")
    try:
        with tarfile.open(layer, "w") as tar:
            for folder in ("etc", "tmp"):
                tar.addfile(_entry(folder, 0o1777 if folder == "tmp" else 0o755, kind=tarfile.DIRTYPE))
            _add_bytes(tar, "etc/passwd", b"nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n")
            for name, file in sorted({image.program.name: image.program, **image.files}.items()):
                with file.open("rb") as content:
                    tar.addfile(_entry(name, 0o755, size=file.stat().st_size), content)
        with layer.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        configuration = _configuration(image, digest)
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [image.name], "Layers": ["layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())
            _add_bytes(tar, name, configuration)
            with layer.open("rb") as content:
                tar.addfile(_entry("layer.tar", 0o644, size=layer.stat().st_size), content)
    finally:
        layer.unlink(missing_ok=True)


def _configuration(image: ScratchImage, layer_digest: str) -> bytes:
    content = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"User": image.user, "Entrypoint": [f"/{image.program.name}"], "Env": ["PATH=/"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created_by": "localcluster"}],
    }
    return json.dumps(content, sort_keys=True).encode()


def _entry(name: str, mode: int, *, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size, entry.type = mode, size, kind
    return entry


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_entry(name, 0o644, size=len(content)), io.BytesIO(content))
