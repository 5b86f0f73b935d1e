"""Writes artifacts: the model's files and the manifest that pins them, the same bytes for the same run."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from marquee.contract.manifest import (
    MANIFEST_NAME,
    FileEntry,
    InputField,
    Lineage,
    Manifest,
    OnnxRuntime,
    OutputField,
    PythonRuntime,
    ReferenceProfile,
)
from marquee.contract.training import TrainerSetting, TrainingError, TrainingFailureReason
from models.destination import Destination

_METRIC_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """What a use case's training gives: everything of an artifact but its name and lineage."""

    runtime: OnnxRuntime | PythonRuntime
    inputs: tuple[InputField, ...]
    outputs: tuple[OutputField, ...]
    example: Mapping[str, object]
    files: Mapping[str, bytes]
    metrics: Mapping[str, float]
    profile: ReferenceProfile


@dataclass(frozen=True)
class StoredArtifact:
    """An artifact that lies at a destination."""

    manifest: Manifest
    digest: str


def manifest_of(
    trained: TrainedModel, *, model: str, use_case: str, lineage: Lineage, created_at: str | None = None
) -> Manifest:
    """The manifest of a trained model; made now, where no time is given."""
    files = {
        name: FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for name, content in trained.files.items()
    }
    return Manifest(
        model=model,
        use_case=use_case,
        runtime=trained.runtime,
        inputs=trained.inputs,
        outputs=trained.outputs,
        example=dict(trained.example),
        files=files,
        metrics={name: round(float(value), _METRIC_DIGITS) for name, value in sorted(trained.metrics.items())},
        lineage=lineage,
        profile=trained.profile,
        created_at=created_at or _now(),
    )


def write(
    manifest: Manifest, files: Mapping[str, bytes], destination: Destination, *, setting: str = "--out"
) -> StoredArtifact:
    """Put an artifact into place.

    Raises:
        TrainingError: ``OutputUnwritable``.

    """
    raw = manifest.to_bytes()
    try:
        destination.write({**files, MANIFEST_NAME: raw})
    except OSError as error:
        raise TrainingError(
            TrainingFailureReason.OUTPUT_UNWRITABLE,
            f"{setting} {destination.uri} cannot be written: {error}; give a folder whose parent is writable "
            "(on a volume, a folder below its root)",
        ) from error
    return StoredArtifact(manifest, Manifest.digest_of(raw))


def place(manifest: Manifest, files: Mapping[str, bytes], destination: Destination, *, setting: str) -> StoredArtifact:
    """Put an artifact where only this very run has written: find it there, or end what an interrupted write began.

    Raises:
        TrainingError: ``OutputUnwritable``; ``OutputOccupied`` when something else lies there.

    """
    names = _names(destination, setting)
    digest = Manifest.digest_of(manifest.to_bytes())
    stored = _stored(destination, names)
    if stored is not None and stored.digest == digest and _is_intact(destination, manifest):
        return stored
    ours = {name.partition("/")[0] for name in (*files, MANIFEST_NAME)}
    if (stored is not None and stored.digest != digest) or not set(names) <= ours:
        raise TrainingError(
            TrainingFailureReason.OUTPUT_OCCUPIED,
            f"{setting} {destination.uri} holds {names[0]!r}, which is not this run's; give an empty or new folder",
        )
    return write(manifest, files, destination, setting=setting)


def existing(destination: Destination, *, model: str, lineage: Lineage, replace: bool) -> StoredArtifact | None:
    """The artifact that this very run would write, if it is already there; None when the place is free.

    A Job that is started again after it had finished finds its work done.

    Raises:
        TrainingError: ``OutputOccupied`` when something else lies there.

    """
    names = _names(destination, "--out")
    if not names:
        return None
    stored = _stored(destination, names)
    if stored is None:
        raise _occupied(destination, f"holds {names[0]!r} and is no artifact; give an empty or new folder")
    if stored.manifest.model != model:
        raise _occupied(destination, f"holds an artifact of model {stored.manifest.model!r}; give another folder")
    if stored.manifest.lineage == lineage and _is_intact(destination, stored.manifest):
        return stored
    if not replace:
        raise _occupied(
            destination, "holds another artifact of this model; give a new folder, or --replace to overwrite it"
        )
    return None


def _names(destination: Destination, setting: str) -> list[str]:
    try:
        return destination.names()
    except OSError as error:
        raise TrainingError(
            TrainingFailureReason.OUTPUT_UNWRITABLE, f"{setting} {destination.uri} cannot be read: {error}"
        ) from error


def _stored(destination: Destination, names: list[str]) -> StoredArtifact | None:
    if MANIFEST_NAME not in names:
        return None
    try:
        raw = destination.read(MANIFEST_NAME)
        return StoredArtifact(Manifest.model_validate_json(raw), Manifest.digest_of(raw))
    except (OSError, ValidationError):
        return None


def _is_intact(destination: Destination, manifest: Manifest) -> bool:
    try:
        return all(
            hashlib.sha256(destination.read(name)).hexdigest() == entry.sha256 for name, entry in manifest.files.items()
        )
    except OSError:
        return False


def _occupied(destination: Destination, what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.OUTPUT_OCCUPIED, f"--out {destination.uri} {what}")


def _now() -> str:
    epoch = os.environ.get(TrainerSetting.SOURCE_DATE_EPOCH)
    try:
        moment = dt.datetime.now(dt.UTC) if epoch is None else dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"{TrainerSetting.SOURCE_DATE_EPOCH}={epoch}: must be seconds since 1970",
        ) from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
