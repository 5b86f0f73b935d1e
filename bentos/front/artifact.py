"""The content-addressed artifact cache: every byte is checked against the digest before a model sees it.

The digest of the manifest pins the manifest, and the manifest pins each file. An artifact is copied to a
staging folder, checked while it streams, and renamed to its digest in one step, so a folder that carries a
digest's name was complete once; it is checked again at each use all the same, because a volume may outlive
the process that wrote it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pydantic import ValidationError

from bentos.front.failures import CannotServeError, in_words
from bentos.front.sources import Source
from marquee.contract.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, FileEntry, Manifest
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True)
class Artifact:
    """A verified artifact on the local disk."""

    folder: Path
    manifest: Manifest
    digest: str


class ArtifactCache:
    """Artifacts under ``ROOT/sha256/<hex>``; any number of processes may share one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def ensure(self, digest: str, open_source: Callable[[], Source]) -> Artifact:
        """The artifact with this digest, from the cache or else copied into it.

        Raises:
            CannotServeError: ``ArtifactUnreachable``, ``ArtifactEmpty``, ``DigestMismatch`` or ``ManifestInvalid``.

        """
        try:
            with self._locked(digest):
                return self._cached(digest) or self._copied(digest, open_source())
        except OSError as error:
            raise CannotServeError(
                FailureReason.ARTIFACT_UNREACHABLE,
                f"the artifact cache {self.root} cannot be written: {error}; it needs a writable volume "
                "with room for the artifact",
            ) from error

    def _cached(self, digest: str) -> Artifact | None:
        folder = self._folder(digest)
        if not folder.is_dir():
            return None
        try:
            return verify(folder, digest)
        except (CannotServeError, OSError) as error:
            log.warning("the cached artifact %s is damaged and is fetched again: %s", digest, error)
            shutil.rmtree(folder)
            return None

    def _copied(self, digest: str, source: Source) -> Artifact:
        staging = self.root / "staging" / _hex(digest)
        shutil.rmtree(staging, ignore_errors=True)  # left by a crash: nobody else writes it under the lock
        staging.mkdir(parents=True)
        try:
            manifest = _copy(source, staging, digest)
            folder = self._folder(digest)
            folder.parent.mkdir(parents=True, exist_ok=True)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Artifact(folder, manifest, digest)

    def _folder(self, digest: str) -> Path:
        return self.root / "sha256" / _hex(digest)

    @contextmanager
    def _locked(self, digest: str) -> Iterator[None]:
        lock = self.root / "locks" / _hex(digest)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the process, however it ends
            yield


def verify(folder: Path, digest: str) -> Artifact:
    """The artifact in a folder after every byte of it was checked, and that nothing else lies there.

    Raises:
        CannotServeError: as `ArtifactCache.ensure`.
        OSError: a file is missing or cannot be read.

    """
    manifest = parse_manifest((folder / MANIFEST_NAME).read_bytes(), digest, str(folder))
    for path, entry in manifest.files.items():
        for _ in _checked(_chunks(folder / path), entry, f"{folder}/{path}"):
            pass
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    if foreign := present - set(manifest.files) - {MANIFEST_NAME}:
        raise CannotServeError(FailureReason.DIGEST_MISMATCH, f"{folder}: {min(foreign)} is not in the manifest")
    return Artifact(folder, manifest, digest)


def parse_manifest(raw: bytes, digest: str, where: str) -> Manifest:
    """The manifest in these bytes.

    Raises:
        CannotServeError: ``ArtifactEmpty``, ``DigestMismatch`` or ``ManifestInvalid``.

    """
    if not raw:
        raise CannotServeError(FailureReason.ARTIFACT_EMPTY, f"{where}: {MANIFEST_NAME} has 0 bytes; export it again")
    if len(raw) > MAX_MANIFEST_BYTES:
        raise CannotServeError(
            FailureReason.MANIFEST_INVALID, f"{where}: {MANIFEST_NAME} has more than {MAX_MANIFEST_BYTES} bytes"
        )
    if (actual := Manifest.digest_of(raw)) != digest:
        raise CannotServeError(
            FailureReason.DIGEST_MISMATCH,
            f"{where}: {MANIFEST_NAME} has digest {actual}, the revision names {digest}; "
            "the artifact was changed after the revision was made: make a new revision for it",
        )
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise CannotServeError(FailureReason.MANIFEST_INVALID, f"{where}: {MANIFEST_NAME}: {in_words(error)}") from None
    for path in manifest.files:
        if str(PurePosixPath(path)) != path or path.split("/", 1)[0] == MANIFEST_NAME or not path.isprintable():
            raise CannotServeError(
                FailureReason.MANIFEST_INVALID, f"{where}: {MANIFEST_NAME}: files: {path!r} is no plain path"
            )
    return manifest


def _copy(source: Source, staging: Path, digest: str) -> Manifest:
    raw = b""
    for chunk in source.chunks(MANIFEST_NAME):
        raw += chunk
        if len(raw) > MAX_MANIFEST_BYTES:
            break
    manifest = parse_manifest(raw, digest, source.uri)
    _write(staging / MANIFEST_NAME, [raw])
    for path, entry in manifest.files.items():
        _write(staging / path, _checked(source.chunks(path), entry, f"{source.uri}/{path}"))
    return manifest


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        target.writelines(chunks)
        target.flush()
        os.fsync(target.fileno())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _checked(chunks: Iterable[bytes], entry: FileEntry, where: str) -> Iterator[bytes]:
    """Pass a file's bytes through, to its end or to the first byte too many, and check size and digest."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > entry.bytes:
            break
        sha256.update(chunk)
        yield chunk
    if size == 0:
        raise CannotServeError(
            FailureReason.ARTIFACT_EMPTY, f"{where}: 0 bytes, the manifest names {entry.bytes}; export it again"
        )
    if size != entry.bytes:
        actual = "more than" if size > entry.bytes else f"{size} bytes instead of"
        raise CannotServeError(FailureReason.DIGEST_MISMATCH, f"{where}: {actual} {entry.bytes} bytes")
    if sha256.hexdigest() != entry.sha256:
        raise CannotServeError(
            FailureReason.DIGEST_MISMATCH,
            f"{where}: sha256 {sha256.hexdigest()}, the manifest names {entry.sha256}",
        )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
