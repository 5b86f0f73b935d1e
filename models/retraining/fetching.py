"""Brings an artifact to the trainer, each byte checked against the digest that pins it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from marquee.contract.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.destination import Destination, destination_of


@dataclass(frozen=True)
class FetchedArtifact:
    """A whole artifact in memory."""

    manifest: Manifest
    digest: str
    files: dict[str, bytes]


def fetch_artifact(uri: str, *, setting: str, digest: str | None = None) -> FetchedArtifact:
    """The artifact at a URI; of the digest, where one is given.

    Raises:
        TrainingError: ``DataUnavailable`` when it cannot be read, ``DataMismatch`` when it is another or damaged.

    """
    place = destination_of(uri, setting=setting)
    raw = _read(place, MANIFEST_NAME, setting)
    if len(raw) > MAX_MANIFEST_BYTES:
        raise _mismatch(f"{setting} {uri}: {MANIFEST_NAME} has more than {MAX_MANIFEST_BYTES} bytes")
    found = Manifest.digest_of(raw)
    if digest not in (None, found):
        raise _mismatch(f"{setting} {uri}: {MANIFEST_NAME} has digest {found}, expected was {digest}")
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or MANIFEST_NAME
        raise _mismatch(f"{setting} {uri}: {MANIFEST_NAME}: {where}: {first['msg']}") from error
    files = {name: _read(place, name, setting) for name in manifest.files}
    for name, entry in manifest.files.items():
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            raise _mismatch(f"{setting} {uri}: {name} is not the file that {MANIFEST_NAME} pins: it was changed later")
    return FetchedArtifact(manifest, found, files)


def _read(place: Destination, name: str, setting: str) -> bytes:
    try:
        return place.read(name)
    except OSError as error:
        raise TrainingError(
            TrainingFailureReason.DATA_UNAVAILABLE, f"{setting} {place.uri}: {name} cannot be read: {error}"
        ) from error


def _mismatch(what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.DATA_MISMATCH, what)
