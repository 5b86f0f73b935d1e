"""BG/NBD and Gamma-Gamma as closed formulas of their parameters, with numpy alone: what serving computes.

[BG/NBD] P. Fader, B. Hardie, K. L. Lee, "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
Model, Marketing Science 24(2), 2005. [PA] The same, Computing P(alive) Using the BG/NBD Model, 2008.
[GG] P. Fader, B. Hardie, The Gamma-Gamma Model of Monetary Value, 2013.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_SERIES_PRECISION: Final = 1e-17
_MOST_TERMS: Final = 20_000
_LARGEST_BLOCK: Final = 2**20
_SINGULAR: Final = 1e-4
"""Closer to a = 1 than this, [BG/NBD] eq. 10 divides by almost nothing."""


class SeriesError(ArithmeticError):
    """A hypergeometric series that would need too many terms."""


@dataclass(frozen=True)
class PurchaseModel:
    """Parameters of the BG/NBD model: rate ~ Gamma(r, alpha) per week, dropout probability ~ Beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class SpendModel:
    """Parameters of the Gamma-Gamma model: value ~ Gamma(p, nu), nu ~ Gamma(q, gamma)."""

    p: float
    q: float
    gamma: float


def probability_alive(model: PurchaseModel, frequency: Numbers, recency: Numbers, age: Numbers) -> Numbers:
    """That the customer has not dropped out by the end of the observation.

    [PA]: the share of the first of the likelihood's two terms. It is 1 for customers without a repeat purchase, who
    in this model have had no occasion to drop out.
    """
    return 1 / (1 + _odds_of_dropout(model, frequency, recency, age))


def expected_purchases(
    model: PurchaseModel, weeks: Numbers, frequency: Numbers, recency: Numbers, age: Numbers
) -> Numbers:
    """Purchases in the next ``weeks`` weeks, given the past; [BG/NBD] eq. 10.

    The equation's hypergeometric function is taken through Euler's transformation,
    F(r+x, b+x; c; z) = (1-z)^(a-1-r-x) F(a+b-1-r, a-1; c; z) with c = a+b+x-1. It cancels the powers that overflow for
    thousands of purchases, and the series that is left needs no more terms for frequent customers than for others.
    """
    if abs(model.a - 1) < _SINGULAR:
        below, above = (
            expected_purchases(replace(model, a=a), weeks, frequency, recency, age)
            for a in (1 - 2 * _SINGULAR, 1 + 2 * _SINGULAR)
        )
        return (below + above) / 2
    c = model.a + model.b + frequency - 1
    survival = (model.alpha + age) / (model.alpha + age + weeks)
    series = hypergeometric(model.a + model.b - 1 - model.r, model.a - 1, c, 1 - survival)
    without_dropout_before = c / (model.a - 1) * (1 - survival ** (model.a - 1) * series)
    return without_dropout_before / (1 + _odds_of_dropout(model, frequency, recency, age))


def expected_value(model: SpendModel, frequency: Numbers, monetary_value: Numbers) -> Numbers:
    """Mean value of a future purchase: the customer's own mean, shrunk towards everybody's; [GG] eq. 5."""
    own_weight = model.p * frequency
    return model.p * (model.gamma + frequency * monetary_value) / (own_weight + model.q - 1)


def hypergeometric(a: float, b: float, c: Numbers, z: Numbers) -> Numbers:
    """Gauss's 2F1(a, b; c; z) for 0 <= z < 1 and c > 0, by its series.

    Raises:
        SeriesError: z is so near to 1 that the series needs more than 20,000 terms.

    """
    largest = float(z.max(initial=0.0))
    terms = 2 if largest == 0 else math.ceil(math.log(_SERIES_PRECISION) / math.log(largest)) + 2
    if terms > _MOST_TERMS:
        raise SeriesError(f"the series needs {terms} terms at z = {largest}; {_MOST_TERMS} are computed at most")
    n = np.arange(terms, dtype=float)
    numerator = (a + n) * (b + n) / (1 + n)
    rows = max(_LARGEST_BLOCK // terms, 1)
    sums = [
        1 + np.cumprod(numerator / (c[part, None] + n) * z[part, None], axis=1).sum(axis=1)
        for part in (slice(start, start + rows) for start in range(0, len(z), rows))
    ]
    return np.concatenate(sums) if sums else np.empty(0)


def _odds_of_dropout(model: PurchaseModel, frequency: Numbers, recency: Numbers, age: Numbers) -> Numbers:
    """a/(b+x-1) · ((alpha+T)/(alpha+t_x))^(r+x) where x > 0, else 0."""
    repeats = np.maximum(frequency, 1)
    growth = (model.r + frequency) * np.log((model.alpha + age) / (model.alpha + recency))
    with np.errstate(over="ignore"):  # infinite odds are a probability of 0, which is right
        odds = model.a / (model.b + repeats - 1) * np.exp(growth)
    return np.where(frequency > 0, odds, 0.0)
