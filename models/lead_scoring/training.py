"""The training run of lead scoring: compare by cross-validation, then fit on everything and export."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import numpy as np

from marquee.contract.manifest import CategoryField, OutputField
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.artifact import TrainedModel
from models.data.caravan import Caravan, load
from models.lead_scoring.comparison import NETWORK, Comparison, Plan, compare
from models.lead_scoring.export import PROBABILITY, RUNTIME, run_onnx, to_onnx
from models.lead_scoring.features import Numbers, model_rows
from models.lead_scoring.network import FittedNetwork, fit_network
from models.lead_scoring.schema import FIELDS
from models.profile import profile_of
from models.resampling import identical_rows

log = logging.getLogger(__name__)

MOST_WORKERS: Final = 2
"""What fits into the 2 GiB of a training Job beside the 540 MB of the process that waits for them."""
LARGEST_EXPORT_ERROR: Final = 1e-5
"""Between the trained network and its graph, in probability; float32 leaves about 1e-6."""


def fit(data_cache: Path, *, seed: int) -> TrainedModel:
    """See `models.use_case.Fit`."""
    workers = min(MOST_WORKERS, len(os.sched_getaffinity(0)))
    return fit_on(load(data_cache), plan=Plan(workers=workers), seed=seed)


def fit_on(data: Caravan, *, plan: Plan, seed: int) -> TrainedModel:
    """The model of these customers.

    Raises:
        TrainingError: ``NotPromotable``.

    """
    rows, group = model_rows(data), identical_rows(data.values)
    comparison = compare(rows, data.bought, group, plan=plan, seed=seed)
    log.info("%s", comparison.table())
    if shortcomings := comparison.shortcomings:
        raise TrainingError(
            TrainingFailureReason.NOT_PROMOTABLE,
            f"not promotable: {'; '.join(shortcomings)}\n{comparison.table()}",
        )
    fitted = fit_network(rows, data.bought, group, settings=plan.settings, seed=seed)
    return exported(fitted, rows, metrics=_metrics(comparison), scores=comparison.scores)


def exported(fitted: FittedNetwork, rows: Numbers, *, metrics: dict[str, float], scores: Numbers) -> TrainedModel:
    """The content of an artifact, from a network and the rows that it learned from.

    Raises:
        TrainingError: ``NotReproduced`` when the graph answers otherwise than the network.

    """
    return TrainedModel(
        runtime=RUNTIME,
        inputs=FIELDS,
        outputs=(
            OutputField(name=PROBABILITY, description="that the customer buys caravan insurance", unit="probability"),
        ),
        example=typical_record(rows),
        files={RUNTIME.file: graph_of(fitted, rows)},
        metrics=metrics,
        profile=profile_of(FIELDS, rows, scores),
    )


def graph_of(fitted: FittedNetwork, rows: Numbers) -> bytes:
    """The exported graph, checked on these rows."""
    graph = to_onnx(fitted)
    error = float(np.abs(run_onnx(graph, rows) - fitted.probability(rows)).max())
    if error > LARGEST_EXPORT_ERROR:
        raise TrainingError(
            TrainingFailureReason.NOT_REPRODUCED,
            f"the exported graph is off by {error:.1e} from the trained network; "
            f"{LARGEST_EXPORT_ERROR} is allowed: check the versions of torch and onnxruntime",
        )
    return graph


def typical_record(rows: Numbers) -> dict[str, object]:
    """The most frequent value of each field: a valid row that is no customer's."""
    record: dict[str, object] = {}
    for field, column in zip(FIELDS, rows.T, strict=True):
        values, counts = np.unique(column, return_counts=True)
        value = int(values[counts.argmax()])
        record[field.name] = field.categories[value] if isinstance(field, CategoryField) else value
    return record


def _metrics(comparison: Comparison) -> dict[str, float]:
    metrics = {"beats_baseline": 1.0}
    for name, figures in comparison.figures.items():
        prefix = "" if name == NETWORK else f"{name}_"
        metrics |= {
            f"{prefix}log_loss": figures.log_loss,
            f"{prefix}auc": figures.auc,
            f"{prefix}lift_top_20": figures.lift,
            f"{prefix}calibration_error": figures.calibration_error,
        }
    for name, difference in comparison.improvement.items():
        metrics[f"improvement_on_{name}"] = difference.mean
        metrics[f"improvement_on_{name}_low"] = difference.low
        metrics[f"improvement_on_{name}_high"] = difference.high
    return metrics
