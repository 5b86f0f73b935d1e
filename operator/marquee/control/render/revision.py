"""The ModelRevision of a candidate that has passed its gate: what it is, and all that it came from."""

from __future__ import annotations

from typing import Any

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import (
    Artifact,
    Lineage,
    ModelRevision,
    ModelRevisionSpec,
    RevisionMetric,
    RevisionSlice,
)
from marquee.api.retraining import Gate
from marquee.api.types import API_VERSION, timestamp
from marquee.contract.approval import ANNOTATION_AUTHOR
from marquee.contract.retraining import RetrainingResult, SliceScores
from marquee.control.render import names
from marquee.control.render.retraining import RunOrder
from marquee.judging.disclosure import disclosed


def candidate(
    model: MarketingModel, gate: Gate, order: RunOrder, result: RetrainingResult, author: str
) -> dict[str, Any]:
    """The manifest, by the ``author`` as whom the operator writes. It carries the labels that the model tracks, and
    nobody owns it: it outlives its Job and model."""
    window = (order.window_start, order.window_end)
    start, end = (timestamp(moment) if moment is not None else None for moment in window)
    lineage = Lineage(
        run=order.run,
        trigger=order.key[:128],
        code_digest=result.code_digest,
        data_digest=result.data_digest,
        window_start=start,
        window_end=end,
        parent=result.parent,
        seed=result.seed,
    )
    scores = result.comparison.challenger
    spec = ModelRevisionSpec(
        model=model.metadata.name,
        artifact=Artifact(uri=result.uri, digest=result.digest),
        description=f"trained by {order.trigger}: {order.why}"[:1024],
        lineage=lineage,
        metrics=tuple(RevisionMetric(name=one.name, value=scores[one.name]) for one in gate.metrics),
        slices=tuple(_slice(one) for one in result.comparison.slices if _may_be_told(one)),
    )
    reference = model.spec.revision
    track = reference.track if reference is not None else None
    return {
        "apiVersion": API_VERSION,
        "kind": ModelRevision.KIND,
        "metadata": {
            "name": order.run,
            "namespace": model.metadata.namespace,
            "labels": {**(track.match_labels if track is not None else {}), names.LABEL_RUN: order.run},
            "annotations": {ANNOTATION_AUTHOR: author} if author else {},
        },
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _may_be_told(told: SliceScores) -> bool:
    """It has the name of a group, and is none of so few that a figure is about somebody."""
    return "=" in told.name[1:] and disclosed(told.rows)


def _slice(told: SliceScores) -> RevisionSlice:
    metrics = tuple(RevisionMetric(name=name, value=value) for name, value in told.challenger.items())
    return RevisionSlice(name=told.name, rows=told.rows, metrics=metrics)
