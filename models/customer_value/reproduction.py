"""Checks this implementation against the literature's figures on the 1/10 sample of CDNOW.

An implementation that no longer gives the published figures must not export a model. The BG/NBD model is known to
under-predict the hold-out total of this sample by 12 %, so parameters, correlation and error are compared, not it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.customer_value.features import later_purchases, summarise
from models.customer_value.fitting import fit_purchases, fit_spend
from models.customer_value.formulas import expected_purchases
from models.data.cdnow import CALIBRATION_END, HOLDOUT_END, HOLDOUT_WEEKS, Purchases


@dataclass(frozen=True)
class Published:
    """A figure and how far a right implementation may be from it."""

    value: float
    tolerance: float


PUBLISHED: Final[Mapping[str, Published]] = {
    "r": Published(0.243, 0.0005),
    "alpha": Published(4.414, 0.0005),
    "a": Published(0.793, 0.0005),
    "b": Published(2.426, 0.0005),
    "log_likelihood": Published(-9582.4, 0.1),
    "holdout_correlation": Published(0.626, 0.0005),
    "holdout_mean_absolute_error": Published(0.786, 0.001),
    "p": Published(6.25, 0.005),
    "q": Published(3.74, 0.005),
    "gamma": Published(15.44, 0.005),
}


def figures(sample: Purchases) -> dict[str, float]:
    """The figures of `PUBLISHED`, computed."""
    summary = summarise(sample, CALIBRATION_END)
    purchases, log_likelihood = fit_purchases(summary)
    spend, _ = fit_spend(summary)
    weeks = np.full(len(summary.customer), float(HOLDOUT_WEEKS))
    expected = expected_purchases(purchases, weeks, summary.frequency, summary.recency, summary.age)
    actual, _ = later_purchases(sample.between(CALIBRATION_END, HOLDOUT_END), summary.customer)
    return {
        "r": purchases.r,
        "alpha": purchases.alpha,
        "a": purchases.a,
        "b": purchases.b,
        "log_likelihood": log_likelihood,
        "holdout_correlation": float(np.corrcoef(expected, actual)[0, 1]),
        "holdout_mean_absolute_error": float(np.abs(expected - actual).mean()),
        "p": spend.p,
        "q": spend.q,
        "gamma": spend.gamma,
    }


def check(computed: Mapping[str, float]) -> None:
    """Compare with the published figures.

    Raises:
        TrainingError: ``NotReproduced`` with every figure that is off.

    """
    off = [
        f"{name} is {computed[name]:.5f}, published {published.value} ± {published.tolerance}"
        for name, published in PUBLISHED.items()
        if abs(computed[name] - published.value) > published.tolerance
    ]
    if off:
        raise TrainingError(
            TrainingFailureReason.NOT_REPRODUCED,
            f"the published figures on the CDNOW sample are not reproduced: {'; '.join(off)}",
        )
