"""Copies an artifact to another place, each byte checked on the way."""

from __future__ import annotations

import orjson
from pydantic import ValidationError

from marquee.contract.manifest import Manifest
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.artifact import place
from models.destination import destination_of
from models.retraining.fetching import fetch_artifact


def export(artifact: str, out: str, *, digest: str | None = None, model: str | None = None) -> str:
    """JSON with ``uri``, ``digest`` and ``model`` of the copy: the same digest, unless it is for another model.

    Raises:
        TrainingError: as `fetch_artifact` and `models.artifact.place`; ``ArgumentsInvalid`` for a model's name.

    """
    found = fetch_artifact(artifact, setting="ARTIFACT", digest=digest)
    manifest = found.manifest if model is None else _renamed(found.manifest, model)
    stored = place(manifest, found.files, destination := destination_of(out), setting="--out")
    return orjson.dumps({"uri": destination.uri, "digest": stored.digest, "model": manifest.model}).decode()


def _renamed(manifest: Manifest, model: str) -> Manifest:
    try:
        return Manifest.model_validate(manifest.model_dump() | {"model": model})
    except ValidationError as error:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID, f"--model {model!r} is no name of a MarketingModel"
        ) from error
