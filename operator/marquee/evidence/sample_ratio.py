"""Sample ratio: do exposures fall into the arms as the weights promise? A Dirichlet-multinomial e-value.

``ln E = ln B(alpha0 + S) - ln B(alpha0) - sum_i S_i ln rho_i`` with counts S, nominal shares rho and
``alpha0 = k rho``: a Beta mixture over shares around the nominal one against the nominal one. Lindon and Malek,
NeurIPS 2022 (arXiv 2011.03567), equation 5. Exact at every look for exposures that are assigned independently.

A mismatch says that assignment or counting is broken. It holds a rollout; it is no reason to roll back.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.evidence.counts import Cohort, in_order
from marquee.evidence.errors import QuestionError, require_alpha
from marquee.evidence.mixture import log_sum_exp
from marquee.evidence.tolerance import either

CONCENTRATION: Final = 100.0
"""k: how closely the mixture sits around the nominal share; about 100 exposures' worth."""
ALPHA: Final = 0.001
"""Its own error probability: an alarm that is rarely false is one that people look into."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Evidence that the split is not the promised one. ``step`` is the one with the strongest evidence."""

    log_e: float
    alpha: float
    step: int | None = None
    canary: int = 0
    stable: int = 0
    weight: int = 0

    @property
    def mismatch(self) -> bool:
        """Whether it is shown."""
        return self.log_e >= -math.log(self.alpha)


def log_e_of_split(counts: Sequence[int], shares: Sequence[float], concentration: float = CONCENTRATION) -> float:
    """Logarithm of E for counts of two or more groups against nominal shares that sum to 1. Raises `QuestionError`."""
    if len(counts) != len(shares) or not all(share > 0 for share in shares) or not math.isclose(math.fsum(shares), 1):
        raise QuestionError("shares", f"{tuple(shares)} are no shares of {len(counts)} groups", "let them add up to 1")
    if not 0 < concentration < math.inf:
        raise QuestionError("concentration", f"{concentration!r} is not positive", f"use {CONCENTRATION:g}")
    rises = (
        math.lgamma(concentration * share + count) - math.lgamma(concentration * share) - count * math.log(share)
        for count, share in zip(counts, shares, strict=True)
    )
    everything = math.lgamma(concentration) - math.lgamma(concentration + sum(counts))
    return math.fsum([everything, *rises])


def check_split(cohorts: Sequence[Cohort], *, steps: int, alpha: float = ALPHA) -> SampleRatio:
    """Evidence over a rollout of ``steps`` planned steps, from the steps' e-values; 1 for those to come.

    Half of it is their product, which adds up what a mismatch shows in one step after the other; half their average,
    which does not let many good steps hide a bad one. Both are e-values, and so is what lies halfway. Cohorts without
    a nominal weight, or with weight 0 or 100, promise no split and are left out. Raises `QuestionError`.
    """
    require_alpha(alpha)
    splits = _splits(cohorts)
    if steps < 1 or any(step >= steps for step in splits):
        raise QuestionError("steps", f"{steps} planned, {sorted(splits)} seen", "count the steps of the rollout's plan")
    logs = {
        step: log_e_of_split((canary, stable), (weight / 100, 1 - weight / 100))
        for step, (canary, stable, weight) in splits.items()
    }
    if not logs:
        return SampleRatio(0.0, alpha)
    average = log_sum_exp([*logs.values(), *[0.0] * (steps - len(logs))]) - math.log(steps)
    worst = max(logs, key=logs.__getitem__)
    return SampleRatio(either(math.fsum(logs.values()), average), alpha, worst, *splits[worst])


def _splits(cohorts: Sequence[Cohort]) -> dict[int, tuple[int, int, int]]:
    """By step: exposures of canary and stable over all periods, and the weight."""
    found: defaultdict[int, tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
    for cohort in in_order(cohorts):
        if cohort.weight is not None and 0 < cohort.weight < 100:
            canary, stable, _ = found[cohort.step]
            found[cohort.step] = (canary + cohort.canary.exposures, stable + cohort.stable.exposures, cohort.weight)
    return dict(found)
