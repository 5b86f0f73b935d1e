"""Maximum likelihood for the BG/NBD and the Gamma-Gamma model, with analytic gradients.

Both likelihoods are maximised over the logarithms of the parameters, which are positive. See
`models.customer_value.formulas` for the papers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.customer_value.features import Summary
from models.customer_value.formulas import PurchaseModel, SpendModel

Numbers = NDArray[np.float64]
Objective = Callable[[Numbers], tuple[float, Numbers]]

_GRADIENT_TOLERANCE: Final = 1e-8
"""Per customer, on the logarithms of the parameters."""
_LARGEST_LOGARITHM: Final = 10.0
"""A parameter beyond e^±10 runs towards 0 or infinity: the data do not determine it."""


@dataclass(frozen=True)
class Counted:
    """Customers with the same numbers, counted once."""

    columns: Numbers
    """Shape (columns, distinct customers)."""
    weight: Numbers


def fit_purchases(summary: Summary) -> tuple[PurchaseModel, float]:
    """The BG/NBD model of these customers and its log-likelihood."""
    counted = _counted(summary.frequency, summary.recency, summary.age)
    parameters, value = _maximise(lambda logs: _purchase_likelihood(logs, counted), 4, counted.weight.sum())
    return PurchaseModel(*parameters), value


def fit_spend(summary: Summary) -> tuple[SpendModel, float]:
    """The Gamma-Gamma model of those who came back and paid, and its log-likelihood."""
    paid = (summary.frequency > 0) & (summary.monetary_value > 0)
    counted = _counted(summary.frequency[paid], summary.monetary_value[paid])
    parameters, value = _maximise(lambda logs: _spend_likelihood(logs, counted), 3, counted.weight.sum())
    return SpendModel(*parameters), value


def purchase_log_likelihood(model: PurchaseModel, summary: Summary) -> float:
    """[BG/NBD] eq. 6 in logarithms, summed over customers."""
    logs = np.log([model.r, model.alpha, model.a, model.b])
    return _purchase_likelihood(logs, _counted(summary.frequency, summary.recency, summary.age))[0]


def _counted(*columns: Numbers) -> Counted:
    distinct, weight = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return Counted(distinct.T, weight.astype(float))


def _maximise(objective: Objective, count: int, customers: float) -> tuple[tuple[float, ...], float]:
    def mean_loss(logs: Numbers) -> tuple[float, Numbers]:
        value, gradient = objective(logs)
        return -value / customers, -gradient / customers

    found = minimize(mean_loss, np.zeros(count), jac=True, method="BFGS", options={"gtol": _GRADIENT_TOLERANCE})
    steepest = float(np.abs(found.jac).max())
    ran_away = float(np.abs(found.x).max()) > _LARGEST_LOGARITHM
    if not np.isfinite(found.fun) or steepest > 1e3 * _GRADIENT_TOLERANCE or ran_away:
        raise TrainingError(
            TrainingFailureReason.NOT_REPRODUCED,
            f"the likelihood has no maximum that could be found (it ends at {np.exp(found.x)} with gradient "
            f"{steepest:.1e}); look at the purchase log: are there repeat purchases, and days and values as expected?",
        )
    return tuple(np.exp(found.x).tolist()), -float(found.fun * customers)


def _purchase_likelihood(logs: Numbers, counted: Counted) -> tuple[float, Numbers]:
    """[BG/NBD] eq. 6 in logarithms, and its gradient with respect to the logarithms of r, alpha, a, b."""
    r, alpha, a, b = np.exp(logs)
    x, recency, age = counted.columns
    repeat = x > 0
    repeats = np.maximum(x, 1)
    log_age, log_recency = np.log(alpha + age), np.log(alpha + recency)
    stayed = -(r + x) * log_age
    dropped = np.where(repeat, np.log(a / (b + repeats - 1)) - (r + x) * log_recency, -np.inf)
    either = np.logaddexp(stayed, dropped)
    share_stayed, share_dropped = np.exp(stayed - either), np.exp(dropped - either)
    value = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        + either
    )  # fmt: skip
    slopes = np.array([
        digamma(r + x) - digamma(r) + np.log(alpha) - share_stayed * log_age - share_dropped * log_recency,
        r / alpha - (r + x) * (share_stayed / (alpha + age) + share_dropped / (alpha + recency)),
        digamma(a + b) - digamma(a + b + x) + share_dropped / a,
        digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x) - share_dropped / (b + repeats - 1),
    ])  # fmt: skip
    return float(value @ counted.weight), (slopes @ counted.weight) * np.array([r, alpha, a, b])


def _spend_likelihood(logs: Numbers, counted: Counted) -> tuple[float, Numbers]:
    """[GG] eq. 1a in logarithms, and its gradient with respect to the logarithms of p, q, gamma."""
    p, q, gamma = np.exp(logs)
    x, mean = counted.columns
    px, spread = p * x, np.log(gamma + x * mean)
    value = (
        gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(gamma)
        + (px - 1) * np.log(mean) + px * np.log(x) - (px + q) * spread
    )  # fmt: skip
    slopes = np.array([
        x * (digamma(px + q) - digamma(px) + np.log(x * mean) - spread),
        digamma(px + q) - digamma(q) + np.log(gamma) - spread,
        q / gamma - (px + q) / (gamma + x * mean),
    ])  # fmt: skip
    return float(value @ counted.weight), (slopes @ counted.weight) * np.array([p, q, gamma])
