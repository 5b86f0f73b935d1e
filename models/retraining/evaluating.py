"""Measures an artifact on a table of rows with known outcomes."""

from __future__ import annotations

import logging
from typing import Final

from marquee.contract.retrainer import EvaluationRequest, EvaluationResult
from marquee.contract.retraining import SliceScores
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.examples import Selection, read_examples
from models.retraining.comparing import artifact_scores
from models.retraining.fetching import fetch_artifact
from models.retraining.measures import METRICS, check_metrics, check_slices, measured, slices
from models.retraining.running import Subject

log = logging.getLogger(__name__)

_MOST_SLICES: Final = 100


def evaluate(subject: Subject, request: EvaluationRequest) -> EvaluationResult:
    """See `marquee.contract.retrainer.Retrainable`."""
    fields = subject.learner.fields
    check_metrics(request.metrics, "--metrics")
    check_slices(request.slices, fields, "--slices")
    artifact = fetch_artifact(request.artifact, setting="ARTIFACT")
    examples, quality = read_examples(request.data_uri, fields, Selection(request.start, request.end), setting="--data")
    log.info("%s", quality.summary())
    try:
        scores = artifact_scores(artifact, examples, subject.learner)
    except Exception as error:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH, f"ARTIFACT {request.artifact} does not answer these rows: {error}"
        ) from error
    names = request.metrics or tuple(METRICS)
    metrics = measured(names, scores, examples.label)
    if not metrics:
        raise TrainingError(
            TrainingFailureReason.DATA_INSUFFICIENT,
            f"--data {request.data_uri}: {len(examples):,} rows of one outcome define none of {', '.join(names)}",
        )
    told = (
        SliceScores(name=name, rows=int(mask.sum()), challenger=found)
        for name, mask in slices(request.slices, fields, examples.rows)[:_MOST_SLICES]
        if (found := measured(names, scores[mask], examples.label[mask]))
    )
    return EvaluationResult(
        uri=request.artifact,
        digest=artifact.digest,
        data_digest=f"sha256:{examples.sha256()}",
        rows=len(examples),
        metrics=metrics,
        slices=tuple(told),
    )
