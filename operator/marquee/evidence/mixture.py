"""a1 and a3: is the canary worse, and is it no worse than the margin allows? A mixture of likelihood ratios.

Given the exposures of a cohort, with realised canary share w, and given that an outcome happened, it came from the
canary with probability ``theta(delta) = w e^delta / (1 + w (e^delta - 1))``, where ``e^delta`` is the ratio of the
two arms' rates. The rate itself cancels, so it may drift during the day. With a reference delta0 and a prior pi
over 97 points, outcomes k_c and k_s of cohort t::

    E = sum_g pi_g exp( sum_t  k_c,t (delta_g - delta0) - (k_c,t + k_s,t) (A_t(delta_g) - A_t(delta0)) )
    A_t(delta) = ln(1 + w_t (e^delta - 1))

a1 (harm): delta0 = 0, the prior on the harmful side. a3 (non-inferiority): delta0 at the margin's edge, the prior on
its better side. Reject the null when E >= 1/alpha. Lindon and Malek, Anytime-valid inference for multinomial count
data, NeurIPS 2022 (arXiv 2011.03567).

What holds. *Null*: in every cohort the true delta is not on the prior's side of delta0. It may differ from cohort to
cohort. Then E is a supermartingale as outcomes arrive, in any order and however late, if each next outcome of a
cohort comes from the canary with probability theta (Poisson counts). Where each unit has at most one outcome
(binomial counts) the expectation of E is at most 1 at every single look; see ``docs/evidence.md`` for what stopping
at the best of many looks can add to that in a small cohort.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from marquee.evidence.counts import Tally
from marquee.evidence.errors import QuestionError

GRID: Final = tuple(step / 40 for step in range(-48, 49))
"""Log rate ratios: 97 points from -1.2 to 1.2."""
_EXCESS: Final = tuple(math.expm1(delta) for delta in GRID)
PRIOR_DEVIATION: Final = 0.3
"""Standard deviation of the normal prior: two thirds of the effects within a factor of 1.35."""


class Direction(StrEnum):
    """Which way is good."""

    HIGHER_IS_BETTER = "HigherIsBetter"
    LOWER_IS_BETTER = "LowerIsBetter"


class Side(StrEnum):
    """Where the alternative lies, seen from the reference."""

    BELOW = "Below"
    ABOVE = "Above"
    BOTH = "Both"


@dataclass(frozen=True, slots=True)
class Question:
    """What E is evidence for: that delta lies on ``side`` of ``reference`` (a log rate ratio)."""

    reference: float
    side: Side

    def __post_init__(self) -> None:
        if not math.isfinite(self.reference) or not any(map(self.asks, GRID)):
            raise QuestionError("reference", f"{self.reference!r} leaves no effect to look for", "use a smaller margin")

    def asks(self, delta: float) -> bool:
        """Whether an effect belongs to the alternative."""
        if self.side is Side.BOTH:
            return True
        return delta < self.reference if self.side is Side.BELOW else delta > self.reference

    def gains(self, tally: Tally) -> tuple[float, ...]:
        """Log likelihood ratios of the grid's 97 points against the reference, for one cohort."""
        if not tally.compares:
            return (0.0,) * len(GRID)
        share, outcomes = tally.share, tally.outcomes
        base = math.log1p(share * math.expm1(self.reference))
        return tuple(
            tally.canary * (delta - self.reference) - outcomes * (math.log1p(share * excess) - base)
            for delta, excess in zip(GRID, _EXCESS, strict=True)
        )


@lru_cache(maxsize=256)
def prior(question: Question) -> tuple[float, ...]:
    """Logarithms of the prior's 97 weights: normal, zero outside of the alternative, sum one."""
    raw = [-0.5 * (delta / PRIOR_DEVIATION) ** 2 if question.asks(delta) else -math.inf for delta in GRID]
    norm = log_sum_exp(raw)
    return tuple(weight - norm for weight in raw)


def harm(direction: Direction) -> Question:
    """a1: the canary is worse than stable."""
    return Question(0.0, Side.BELOW if direction is Direction.HIGHER_IS_BETTER else Side.ABOVE)


def noninferiority(direction: Direction, margin: float) -> Question:
    """a3: the canary is worse by less than ``margin`` (0.05: five percent fewer conversions, or more errors).

    Raises `QuestionError` for a margin that is not positive, or so wide that no effect on the grid is beyond it.
    """
    if not 0 < margin < math.inf or (direction is Direction.HIGHER_IS_BETTER and margin >= 1):
        raise QuestionError("margin", f"{margin!r} is no margin", "give the tolerated loss as a fraction, such as 0.05")
    if direction is Direction.HIGHER_IS_BETTER:
        return Question(math.log1p(-margin), Side.ABOVE)
    return Question(math.log1p(margin), Side.BELOW)


TWO_SIDED: Final = Question(0.0, Side.BOTH)
"""The arms differ, either way: for estimates, not for verdicts."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """The state of one question: 97 log weights. It may be stored and taken up again after a restart."""

    question: Question
    log_weights: tuple[float, ...]

    def __post_init__(self) -> None:
        torn = any(map(math.isnan, self.log_weights)) or not any(map(math.isfinite, self.log_weights))
        if torn or len(self.log_weights) != len(GRID):
            raise QuestionError("log_weights", "are no state of this grid", "compute the state again from the counts")

    @property
    def log_e(self) -> float:
        """The natural logarithm of the e-value."""
        return log_sum_exp(self.log_weights)

    def credit(self, tally: Tally) -> Mixture:
        """The state after more outcomes of a cohort whose exposures are complete.

        ``tally`` holds the cohort's exposures and the outcomes that are *new*: a late outcome is credited to the
        cohort of its exposure, at that cohort's share. While exposures still arrive, use `weigh` on the totals.
        """
        gains = self.question.gains(tally)
        return Mixture(self.question, tuple(map(sum, zip(self.log_weights, gains, strict=True))))


def weigh(question: Question, tallies: Iterable[Tally]) -> Mixture:
    """The state from the totals of each cohort: bit for bit the same in any order of the cohorts."""
    columns = zip(prior(question), *map(question.gains, tallies), strict=True)
    return Mixture(question, tuple(map(_sum, columns)))


def anytime_p(log_es: Iterable[float]) -> float:
    """The p-value after these looks: 1 / max E, at most 1. It may be read at every look."""
    return math.exp(-max(0.0, *log_es, 0.0))


def canary_part(share: float, delta: float) -> float:
    """theta(delta): the canary's expected part of the outcomes, at its share of the exposures and a log rate ratio."""
    return share * math.exp(delta) / (1 + share * math.expm1(delta))


def log_ratio(share: float, canary: float, stable: float, delta: float, reference: float) -> float:
    """Log likelihood ratio of two effects at one share, for outcomes that need not be whole (forecasts)."""
    canary_gain = delta - reference
    gain_of_each = math.log1p(share * math.expm1(delta)) - math.log1p(share * math.expm1(reference))
    return canary * canary_gain - (canary + stable) * gain_of_each


def log_sum_exp(logs: Iterable[float]) -> float:
    """Logarithm of a sum of exponentials, without overflow; minus infinity for nothing."""
    values = tuple(logs)
    top = max(values, default=-math.inf)
    if not math.isfinite(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


def _sum(column: tuple[float, ...]) -> float:
    """Correctly rounded, hence independent of order; a point without prior weight stays without."""
    return -math.inf if column[0] == -math.inf else math.fsum(column)
