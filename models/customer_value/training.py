"""The training run of customer value: reproduce, evaluate on later weeks, fit on everything, export."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from marquee.contract.manifest import PythonRuntime
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.artifact import TrainedModel
from models.customer_value import reproduction
from models.customer_value.evaluation import MODEL, Evaluation, evaluate, history_rows
from models.customer_value.features import Summary, summarise
from models.customer_value.fitting import fit_purchases, fit_spend
from models.customer_value.formulas import PurchaseModel, SpendModel
from models.customer_value.schema import HISTORY, INPUTS, OUTPUTS
from models.customer_value.serving import PARAMETERS_FILE, parameters_file, values
from models.data.cdnow import HOLDOUT_END, HOLDOUT_WEEKS, load
from models.profile import profile_of

log = logging.getLogger(__name__)

RUNTIME: Final = PythonRuntime(entrypoint="models.customer_value.serving:CustomerValueModel")
_DIGITS: Final = 10
"""Kept of each parameter; the optimiser's last ones depend on the order of sums."""


def fit(data_cache: Path, *, seed: int) -> TrainedModel:  # noqa: ARG001 (maximum likelihood draws nothing)
    """See `models.use_case.Fit`."""
    published = reproduction.figures(load(data_cache, "sample"))
    reproduction.check(published)
    log.info("published figures of the CDNOW sample are reproduced")
    purchases = load(data_cache, "master")
    evaluation = evaluate(purchases)
    log.info("%s", evaluation.table())
    if not evaluation.is_promotable:
        raise TrainingError(
            TrainingFailureReason.NOT_PROMOTABLE,
            f"not promotable: the model does not beat persistence\n{evaluation.table()}",
        )
    metrics = _metrics(evaluation) | {f"sample_{name}": value for name, value in published.items()}
    return exported(summarise(purchases, HOLDOUT_END), HOLDOUT_WEEKS, metrics)


def exported(summary: Summary, horizon_weeks: float, metrics: dict[str, float]) -> TrainedModel:
    """The model of these customers; its profile is of their values within that horizon.

    Raises:
        TrainingError: ``NotReproduced``: their purchases determine no parameters.

    """
    (purchase_model, log_likelihood), (spend_model, _) = fit_purchases(summary), fit_spend(summary)
    purchase_model = PurchaseModel(**_rounded(asdict(purchase_model)))
    spend_model = SpendModel(**_rounded(asdict(spend_model)))
    rows = history_rows(summary, horizon_weeks)
    score = values(purchase_model, spend_model, rows)["customer_value"]
    return TrainedModel(
        runtime=RUNTIME,
        inputs=INPUTS,
        outputs=OUTPUTS,
        example=_example(summary, horizon_weeks),
        files={PARAMETERS_FILE: parameters_file(purchase_model, spend_model)},
        metrics=metrics | {"log_likelihood_per_customer": log_likelihood / len(summary.customer)},
        profile=profile_of(HISTORY, rows[:, : len(HISTORY)], score),
    )


def _rounded(parameters: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.{_DIGITS}g}") for name, value in parameters.items()}


def _example(summary: Summary, horizon_weeks: float) -> dict[str, object]:
    """A typical customer who came back: medians, which are nobody's history."""
    again = summary.frequency > 0
    recency, age = (round(float(np.median(column[again])), 2) for column in (summary.recency, summary.age))
    return {
        "frequency": int(np.median(summary.frequency[again])),
        "recency": recency,
        "T": age,
        "monetary_value": round(float(np.median(summary.monetary_value[again])), 2),
        "horizon_weeks": float(horizon_weeks),
    }


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    metrics = {
        "beats_baseline": 1.0,
        "improvement_on_persistence": evaluation.improvement.mean,
        "improvement_on_persistence_low": evaluation.improvement.low,
        "improvement_on_persistence_high": evaluation.improvement.high,
    }
    for name, figures in evaluation.figures.items():
        prefix = "" if name == MODEL else f"{name}_"
        metrics |= {f"{prefix}{figure}": value for figure, value in asdict(figures).items()}
    return metrics
