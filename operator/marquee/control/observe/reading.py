"""Reads a stored MarketingModel, also one that this version of the operator does not fully understand.

That happens while a newer CRD is served already, or still after a downgrade. Such a model is never forgotten:
who it is and which revision has proven itself are kept, so that its condition can say what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from marquee.api.marketing_model import (
    MarketingModel,
    MarketingModelSpec,
    MarketingModelStatus,
    Owner,
    RevisionReference,
    UseCase,
)
from marquee.api.metadata import Metadata

_STAND_IN: Final = MarketingModelSpec(
    use_case=UseCase.LEAD_SCORING, owner=Owner(team="unknown", contact="unknown"), revision=RevisionReference()
)
"""For a spec that was never understood. It names no revision, and nothing is done while there is a `spec_error`."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A MarketingModel; with ``spec_error`` its spec is the last one that could be read."""

    model: MarketingModel
    spec_error: str = ""


def read_model(body: Mapping[str, Any], known: StoredModel | None) -> StoredModel:
    """The model in an API object; ``known`` is what was read of it before."""
    try:
        return StoredModel(MarketingModel.model_validate(body))
    except ValidationError as error:
        problems = [problem for problem in error.errors() if problem["loc"][:1] != ("status",)]
    status = _read_status(body.get("status") or {})
    if not problems:
        return StoredModel(MarketingModel.model_validate({**body, "status": status}))
    model = MarketingModel(
        metadata=Metadata.model_validate(body["metadata"]),
        spec=known.model.spec if known is not None else _STAND_IN,
        status=status,
    )
    where = ".".join(str(part) for part in problems[0]["loc"])
    what = f"{where}: {problems[0]['msg']}; this operator cannot read the field: upgrade it, or change the field"
    return StoredModel(model, spec_error=what)


def _read_status(status: Mapping[str, Any]) -> MarketingModelStatus:
    """As much of a status as is understood: all of it, or who has proven itself, or nothing."""
    for part in (status, {"stable": status.get("stable")}):
        try:
            return MarketingModelStatus.model_validate(part)
        except ValidationError:
            continue
    return MarketingModelStatus()
