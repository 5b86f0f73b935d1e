"""Means, such as revenue: differences within cohorts, added up, against a normal mixture.

Per cohort t with n_c, n_s exposures: difference of means Delta_t, its variance var_t, weight
``h_t = n_c n_s / (n_c + n_s)``; ``S = sum h_t Delta_t``, ``V = sum h_t^2 var_t``::

    E = sqrt(r / (V + r)) exp(S^2 / (2 (V + r)))
    interval of the difference: (S +- sqrt((V + r) ln((V + r) / (r alpha^2)))) / sum h_t

Robbins' normal mixture with estimated variances (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform
central limit theory, arXiv 2103.06476). Differences are taken within cohorts: pooled means compare a canary of the
evening with a stable arm of the whole day (Simpson).

It is *asymptotic*: no expectation is bounded exactly. It needs values cut at a cap near the 90th percentile of the
stable arm, fixed before the rollout, and at least 100 conversions an arm. Below that the answer is `Insufficient`, not
a number. Conversions stay the primary metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.evidence.counts import Arm, Cohort, in_order
from marquee.evidence.errors import CountsError, QuestionError, require_alpha

MIN_CONVERSIONS: Final = 100
"""An arm's conversions below which heavy tails give false harm far above alpha."""


@dataclass(frozen=True, slots=True)
class Insufficient:
    """Why there is no number yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class MeanEvidence:
    """ln E that the means differ, and the difference canary minus stable with its interval, in minor units per
    exposure. The interval covers at every look at once, with probability 1 - alpha.
    """

    log_e: float
    difference: float
    lower: float
    upper: float


def compare_means(
    cohorts: Sequence[Cohort], *, cap: int, tuning: float, alpha: float, tolerated: float = 0.0
) -> MeanEvidence | Insufficient:
    """Compare the canary's mean with ``1 - tolerated`` times stable's mean.

    ``cap``: where values were cut, whole minor units. ``tuning``: r, from `tuning_for`. ``tolerated``: 0 for a plain
    difference; a margin of 0.05 asks about the difference to 95 % of stable's mean; negative where less is better.
    Raises `QuestionError`, and `CountsError` for values above the cap.
    """
    require_alpha(alpha)
    if not 0 < tuning < math.inf:
        raise QuestionError("tuning", f"{tuning!r} is not positive", "take it from tuning_for")
    ordered = in_order(cohorts)
    _require_capped(ordered, cap)
    for name, arms in (("canary", [c.canary for c in ordered]), ("stable", [c.stable for c in ordered])):
        if (conversions := sum(arm.successes for arm in arms)) < MIN_CONVERSIONS:
            return Insufficient(f"{conversions} conversions of {name}, {MIN_CONVERSIONS} are needed")
    strata = [_stratum(cohort, 1 - tolerated) for cohort in ordered if _has_spread(cohort)]
    weight, drift, variance = (math.fsum(column) for column in zip(*strata, strict=True)) if strata else (0, 0, 0)
    if variance == 0:
        return Insufficient("no cohort has different values in both arms")
    return _evidence(weight, drift, variance, tuning, alpha)


def tuning_for(*, deviation: float, exposures: int, share: float, alpha: float) -> float:
    """The r that makes the interval narrowest at a planned number of exposures (both arms) and canary share.

    ``deviation``: standard deviation of capped values per exposure, in minor units, from before the rollout: r must
    not depend on the rollout's own data. Solves ``x = ln(1 + x) + 2 ln(1 / alpha)`` for x = V / r. Raises
    `QuestionError`.
    """
    require_alpha(alpha)
    if not (0 < deviation < math.inf and exposures > 0 and 0 < share < 1):
        raise QuestionError("tuning", "needs a positive deviation, exposures, and a share between 0 and 1", "plan them")
    ratio = 1.0
    for _ in range(100):
        ratio = math.log1p(ratio) - 2 * math.log(alpha)
    return exposures * share * (1 - share) * deviation**2 / ratio


def _evidence(weight: float, drift: float, variance: float, tuning: float, alpha: float) -> MeanEvidence:
    spread = variance + tuning
    radius = math.sqrt(spread * (math.log(spread / tuning) - 2 * math.log(alpha)))
    return MeanEvidence(
        log_e=0.5 * math.log(tuning / spread) + drift**2 / (2 * spread),
        difference=drift / weight,
        lower=(drift - radius) / weight,
        upper=(drift + radius) / weight,
    )


def _stratum(cohort: Cohort, factor: float) -> tuple[float, float, float]:
    """h, h Delta and h^2 var of one cohort."""
    canary, stable = cohort.canary, cohort.stable
    weight = canary.exposures * stable.exposures / (canary.exposures + stable.exposures)
    difference = canary.value_sum / canary.exposures - factor * (stable.value_sum / stable.exposures)
    variance = _variance_of_mean(canary) + factor**2 * _variance_of_mean(stable)
    return weight, weight * difference, weight**2 * variance


def _variance_of_mean(arm: Arm) -> float:
    """From integers, so that nothing cancels: the numerator is exact."""
    count = arm.exposures
    return (count * arm.value_squares - arm.value_sum**2) / (count**2 * (count - 1))


def _has_spread(cohort: Cohort) -> bool:
    """Two exposures an arm: below that a variance cannot be estimated. Decided by exposures, never by values."""
    return min(cohort.canary.exposures, cohort.stable.exposures) >= 2


def _require_capped(cohorts: Sequence[Cohort], cap: int) -> None:
    if isinstance(cap, bool) or not isinstance(cap, int) or cap <= 0:
        raise QuestionError("cap", f"{cap!r} is no cap", "give whole minor units, near stable's 90th percentile")
    for cohort in cohorts:
        for name, arm in (("canary", cohort.canary), ("stable", cohort.stable)):
            if arm.value_sum > cap * arm.successes or arm.value_squares > cap * arm.value_sum:
                raise CountsError(
                    f"cohorts[step={cohort.step}].{name}", f"holds values above the cap {cap}", "cut values, then add"
                )
