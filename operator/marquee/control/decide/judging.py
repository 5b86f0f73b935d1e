"""What the ledger's integers say about a rollout, for its next move and for the status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from marquee.api.rollout import Analysis, Step
from marquee.api.rollout_status import MetricEvidence
from marquee.contract.ledger import RolloutStatistics
from marquee.control.render.record import RolloutRecord
from marquee.evidence import words
from marquee.evidence.finding import Finding
from marquee.evidence.forecasting import Traffic, forecast_harm
from marquee.evidence.policy import Proportion, Stage
from marquee.evidence.rule import Judgement
from marquee.judging import asking

FORECAST_LOSS: Final = 0.2
"""The loss that forecasts are about: large enough to matter, small enough to take a while."""


def judge(
    steps: Sequence[Step], analysis: Analysis, record: RolloutRecord, statistics: RolloutStatistics, now: datetime
) -> Judgement:
    """The judgement at this moment. `kubectl marquee evidence` computes it again from what the status tells.

    Raises:
        EvidenceError: the integers contradict each other, or nothing could be concluded from the analysis.

    """
    stage = stage_of(steps[record.step], record, now)
    judgement, _ = asking.judge(analysis, record.weights, stage, statistics, promised=not record.by_pods)
    return judgement


def stage_of(step: Step, record: RolloutRecord, now: datetime) -> Stage:
    """What the step asks, and its age."""
    return asking.stage_of(step, record.step, (now - record.step_started).total_seconds())


def evidence_of(judgement: Judgement) -> tuple[MetricEvidence, ...]:
    """The findings in words for the status."""
    return tuple(_in_words(finding) for finding in judgement.findings)


def forecast_of(judgement: Judgement, record: RolloutRecord, now: datetime) -> str:
    """Time that a verdict takes at the traffic so far; empty while nobody knows, and for means."""
    metric, seen = judgement.policy.primary, judgement.findings[0].seen
    hours = (now - record.started).total_seconds() / 3600
    exposures = seen.canary_exposures + seen.stable_exposures
    if not isinstance(metric, Proportion) or hours <= 0 or not seen.stable or not exposures:
        return ""
    traffic = Traffic(exposures / hours, seen.stable / seen.stable_exposures)
    weight = record.weight
    if record.by_pods:
        weight = min(99, max(1, round(100 * seen.share)))
    return forecast_harm(traffic, metric.direction, loss=FORECAST_LOSS, weight=weight, alpha=judgement.policy.alpha)


def _in_words(finding: Finding) -> MetricEvidence:
    strengths = [
        f"{words.e_value(held.log_e)} of {words.threshold(held.alpha)}" for held in (finding.harm, finding.noninferior)
    ]
    return MetricEvidence(
        metric=finding.metric.name,
        counts=words.counts(finding.seen),
        harm=strengths[0],
        non_inferiority=strengths[1],
    )
