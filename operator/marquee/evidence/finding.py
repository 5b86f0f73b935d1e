"""What the cohorts say about one metric: two e-values with their thresholds, or why there are none yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from marquee.evidence.blocks import Blocks
from marquee.evidence.counts import Cohort, Count, Tally, total
from marquee.evidence.errors import QuestionError
from marquee.evidence.estimating import Ratio, estimate_ratio
from marquee.evidence.means import Insufficient, MeanEvidence, compare_means
from marquee.evidence.mixture import Direction, harm, noninferiority, weigh
from marquee.evidence.policy import Mean, Metric, Policy, Proportion
from marquee.evidence.tolerance import either, log_e_below


@dataclass(frozen=True, slots=True)
class Strength:
    """An e-value, as its natural logarithm, beside the error probability that it is held against."""

    log_e: float
    alpha: float

    @property
    def shown(self) -> bool:
        """Whether E >= 1 / alpha."""
        return self.log_e >= -math.log(self.alpha)


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric's evidence. ``seen`` adds up all cohorts, for people; tests compare within cohorts.

    ``insufficient`` says why nothing can be concluded yet; then neither strength is shown.
    """

    metric: Metric
    seen: Tally
    harm: Strength
    noninferior: Strength
    ratio: Ratio | None = None
    mean: MeanEvidence | None = None
    insufficient: str = ""


def find(policy: Policy, metric: Metric, cohorts: Sequence[Cohort]) -> Finding:
    """Judge one metric of a policy by the cohorts of a rollout. Raises `EvidenceError`."""
    return _find(policy, metric, tuple(cohorts))


# A rollout is judged at every look, and most looks bring no new integers.
@lru_cache(maxsize=1024)
def _find(policy: Policy, metric: Metric, cohorts: tuple[Cohort, ...]) -> Finding:
    if isinstance(metric, Mean):
        return _of_mean(policy, metric, cohorts)
    tallies = [cohort.tally(metric.count) for cohort in cohorts]
    safe = weigh(noninferiority(metric.direction, metric.margin), tallies).log_e
    seen = total(tallies)
    if metric.tolerated_rate is not None:
        safe = either(safe, log_e_below(metric.tolerated_rate, seen.canary_exposures, seen.canary))
    return Finding(
        metric=metric,
        seen=seen,
        harm=Strength(weigh(harm(metric.direction), tallies).log_e, policy.harm_alpha(metric)),
        noninferior=Strength(safe, policy.alpha),
        ratio=estimate_ratio(tallies, policy.alpha),
    )


def by_blocks(finding: Finding, blocks: Blocks) -> Finding:
    """The finding with a2's evidence of harm in place of a1's; which of the two counts is settled beforehand."""
    if not isinstance(finding.metric, Proportion) or blocks.direction is not finding.metric.direction:
        raise QuestionError(
            f"{finding.metric.name}.blocks", "are of another direction or kind of metric", "observe its own blocks"
        )
    return replace(finding, harm=Strength(blocks.log_e, finding.harm.alpha))


def _of_mean(policy: Policy, metric: Mean, cohorts: Sequence[Cohort]) -> Finding:
    """Two one-sided readings of two-sided evidence: it counts when the difference points that way."""
    sign = 1 if metric.direction is Direction.HIGHER_IS_BETTER else -1
    harm_alpha = policy.harm_alpha(metric)
    plain = compare_means(cohorts, cap=metric.cap, tuning=metric.tuning, alpha=harm_alpha)
    allowed = compare_means(
        cohorts, cap=metric.cap, tuning=metric.tuning, alpha=policy.alpha, tolerated=sign * metric.margin
    )
    finding = Finding(
        metric=metric,
        seen=total(cohort.tally(Count.SUCCESSES) for cohort in cohorts),
        harm=Strength(_pointing(plain, -sign), harm_alpha),
        noninferior=Strength(_pointing(allowed, sign), policy.alpha),
    )
    if isinstance(plain, Insufficient):
        return replace(finding, insufficient=plain.reason)
    return replace(finding, mean=plain)


def _pointing(evidence: MeanEvidence | Insufficient, sign: int) -> float:
    if isinstance(evidence, Insufficient):
        return 0.0
    return evidence.log_e if evidence.difference * sign > 0 else min(evidence.log_e, 0.0)
