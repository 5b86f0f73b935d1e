"""Hands an image from buildah's storage to containerd, sending only the layers that it lacks.

buildah exports whole images only: 10 s for a Python image of which a code change alters one layer
of a few kilobytes. Its storage has each layer as a folder beside a record of the tar's headers;
`layertar` of our Go module puts the two together again, to the bytes that have the layer's digest.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from localcluster.errors import CommandFailed

_INDEX = "application/vnd.oci.image.index.v1+json"
_REBUILD = "remove buildah's folder below the cache folder, then build again"


@dataclass(frozen=True)
class Layer:
    """One uncompressed layer in the storage."""

    digest: str
    size: int
    record: Path
    folder: Path


@dataclass(frozen=True)
class Image:
    """An image in the storage: manifest and configuration as bytes, layers from the lowest on."""

    name: str
    manifest: bytes
    configuration: bytes
    layers: tuple[Layer, ...]


def find(name: str, inspected: Mapping[str, str], storage: Path, driver: str) -> Image:
    """The image in the storage of a driver (`overlay` or `vfs`), from what `buildah inspect` says of it."""
    records = storage / f"{driver}-layers"
    identities = {layer["diff-digest"]: layer["id"] for layer in json.loads((records / "layers.json").read_text())}

    def layer(digest: str, size: int) -> Layer:
        identity = identities.get(digest, "")
        record = records / f"{identity}.tar-split.gz"
        if not record.exists():
            raise CommandFailed(f"buildah's storage has no record of layer {digest[:19]} of {name}", fix=_REBUILD)
        folder = storage / "overlay" / identity / "diff" if driver == "overlay" else storage / "vfs/dir" / identity
        return Layer(digest, size, record, folder)

    manifest = inspected["Manifest"]
    layers = tuple(layer(item["digest"], item["size"]) for item in json.loads(manifest)["layers"])
    return Image(name, manifest.encode(), inspected["Config"].encode(), layers)


def write_archive(image: Image, present: frozenset[str], layertar: Path, archive: Path) -> None:
    """Write an OCI archive of the image without the blobs that containerd has."""
    manifest = {
        "mediaType": json.loads(image.manifest)["mediaType"],
        "digest": digest(image.manifest),
        "size": len(image.manifest),
        "annotations": {"io.containerd.image.name": image.name},
    }
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [manifest]}
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(tar, "index.json", json.dumps(index).encode())
        for content in (image.manifest, image.configuration):
            _add(tar, _blob(digest(content)), content)
        for layer in dict.fromkeys(image.layers):
            if layer.digest not in present:
                _add_layer(tar, layer, layertar)


def digest(content: bytes) -> str:
    """Name of a blob by its content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Hashing(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self.hash.update(content)
        return content


def _add_layer(tar: tarfile.TarFile, layer: Layer, layertar: Path) -> None:
    entry = tarfile.TarInfo(_blob(layer.digest))
    entry.size = layer.size
    with subprocess.Popen([layertar, layer.record, layer.folder], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None  # noqa: S101 - it is a pipe
        stream = _Hashing(writer.stdout)
        tar.addfile(entry, stream)
    if writer.returncode != 0 or f"sha256:{stream.hash.hexdigest()}" != layer.digest:
        why = "its files no longer give the bytes that were built"
        raise CommandFailed(f"layer {layer.digest[:19]} in buildah's storage is damaged", why=why, fix=_REBUILD)


def _blob(name: str) -> str:
    return f"blobs/sha256/{name.removeprefix('sha256:')}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
