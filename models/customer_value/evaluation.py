"""Judges the model on the 39 weeks after those it was fitted on, against what a spreadsheet would say.

The declared metric is the mean squared error of the number of purchases, whose best answer is the expectation (the
mean absolute error is won by predicting nobody to come back). The model is promotable when the 95 % interval of
its improvement on persistence lies above zero: each customer buys as often in the second 39 weeks as until then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.customer_value.features import Summary, later_purchases, summarise
from models.customer_value.fitting import fit_purchases, fit_spend
from models.customer_value.serving import values
from models.data.cdnow import CALIBRATION_END, HOLDOUT_END, HOLDOUT_WEEKS, Purchases
from models.metrics import Difference, paired_difference

Numbers = NDArray[np.float64]

PERSISTENCE = "persistence"
RATE = "rate"
MODEL = "bg_nbd"


@dataclass(frozen=True)
class Figures:
    """Errors of one predictor over the hold-out weeks."""

    root_mean_squared_error: float
    mean_absolute_error: float
    correlation: float
    spend_root_mean_squared_error: float
    """In USD."""


@dataclass(frozen=True)
class Evaluation:
    """The model beside its baselines."""

    customers: int
    figures: Mapping[str, Figures]
    improvement: Difference
    """Squared error of persistence minus the model's."""

    @property
    def is_promotable(self) -> bool:
        """Whether the model beats persistence."""
        return self.improvement.low > 0

    def table(self) -> str:
        """For people."""
        head = f"{'model':<14}{'RMSE':>8}{'MAE':>8}{'correlation':>13}{'RMSE of spend':>15}"
        lines = [
            f"{name:<14}{of.root_mean_squared_error:>8.3f}{of.mean_absolute_error:>8.3f}"
            f"{of.correlation:>13.3f}{of.spend_root_mean_squared_error:>15.2f}"
            for name, of in self.figures.items()
        ]
        by = self.improvement
        return "\n".join([
            head, *lines, f"squared error improves by {by.mean:.3f} ({by.low:.3f} to {by.high:.3f}), 95 % interval"
        ])  # fmt: skip


def evaluate(purchases: Purchases) -> Evaluation:
    """Fit on the first 39 weeks, predict the second."""
    known = summarise(purchases, CALIBRATION_END)
    actual, spent = later_purchases(purchases.between(CALIBRATION_END, HOLDOUT_END), known.customer)
    predictions = _predictions(known)
    errors = {name: (count - actual) ** 2 for name, (count, _) in predictions.items()}
    return Evaluation(
        customers=len(actual),
        figures={
            name: Figures(
                root_mean_squared_error=math.sqrt(errors[name].mean()),
                mean_absolute_error=float(np.abs(count - actual).mean()),
                correlation=float(np.corrcoef(count, actual)[0, 1]),
                spend_root_mean_squared_error=math.sqrt(((spend - spent) ** 2).mean()),
            )
            for name, (count, spend) in predictions.items()
        },
        improvement=paired_difference(errors[PERSISTENCE] - errors[MODEL]),
    )


def _predictions(known: Summary) -> dict[str, tuple[Numbers, Numbers]]:
    """Purchases and spend of each customer in the hold-out weeks, from what was known before."""
    (purchase_model, _), (spend_model, _) = fit_purchases(known), fit_spend(known)
    modelled = values(purchase_model, spend_model, history_rows(known, HOLDOUT_WEEKS))
    rate = known.frequency / known.age * HOLDOUT_WEEKS
    return {
        PERSISTENCE: (known.frequency, known.frequency * known.monetary_value),
        RATE: (rate, rate * known.monetary_value),
        MODEL: (modelled["expected_purchases"], modelled["customer_value"]),
    }


def history_rows(summary: Summary, horizon_weeks: float) -> Numbers:
    """Shape (customers, inputs), in the order of the artifact's inputs."""
    return np.column_stack([
        summary.frequency, summary.recency, summary.age, summary.monetary_value,
        np.full(len(summary.customer), float(horizon_weeks)),
    ])  # fmt: skip
