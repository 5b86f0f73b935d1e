"""What is applied: models as people write them, and for the floor the very children that the operator makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.control.decide import decide
from marquee.control.decide.plan import Apply
from marquee.control.snapshot import Defaults, Snapshot
from tests.support import samples

NAMESPACE: Final = "default"
IMAGE: Final = "marquee/predictor:bench"
CLIENTS: Final = 10
"""Clients that apply at once, in the floor too; the operator's default number of workers is the same."""

_SCALING: Final = {"class": "HPA", "minReplicas": 1, "maxReplicas": 3}


@dataclass(frozen=True)
class Sample:
    """One model with its revision."""

    model: dict[str, Any]
    revision: dict[str, Any]


def sample(number: int) -> Sample:
    """An ordinary model with an autoscaler: six children."""
    name = f"lead-{number:04d}"
    revision = f"{name}-v1"
    return Sample(
        model=samples.model(name, revision=revision, namespace=NAMESPACE, scaling=_SCALING),
        revision=samples.revision(revision, of=name, namespace=NAMESPACE, uri=f"s3://models/{revision}"),
    )


def children_of(one: Sample, *, owner: dict[str, str]) -> tuple[Apply, ...]:
    """What the operator writes for a new model, in its order, owned by another object that exists."""
    snapshot = Snapshot(
        model=MarketingModel.model_validate(one.model),
        revisions=(ModelRevision.model_validate(one.revision),),
        deployments=(),
        pods=(),
        children=(),
        probe=None,
        defaults=Defaults(predictor_image=IMAGE),
        now=datetime.now(UTC),
    )
    applies = decide(snapshot).applies
    for apply in applies:
        apply.manifest["metadata"]["ownerReferences"] = [owner]
    return applies
