"""`spec.rollout` as the evidence's question: what is counted, what it is judged by, and the judgement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from marquee.api.rollout import Analysis, Guardrail, GuardrailMetric, PrimaryMetric, Step
from marquee.contract.ledger import MetricDeclaration, RolloutDeclaration, RolloutStatistics
from marquee.evidence.counts import Cohort, Count
from marquee.evidence.finding import find
from marquee.evidence.means import tuning_for
from marquee.evidence.policy import Mean, Metric, Policy, Proportion, Stage
from marquee.evidence.rule import Judgement, decide
from marquee.judging.counting import cohorts, request_cohorts

DECIMALS: Final = 2
"""Digits after the point that the ledger keeps of a value."""
_COUNTS: Final = {GuardrailMetric.ERRORS: Count.ERRORS, GuardrailMetric.SLOW_REQUESTS: Count.SLOW}


def declaration_of(analysis: Analysis) -> RolloutDeclaration:
    """The outcomes that the ledger has to count."""
    primary = analysis.primary
    declared = [
        MetricDeclaration(
            outcome=primary.outcome,
            kind=primary.kind,
            decimals=DECIMALS,
            cap=primary.values.cap if primary.values is not None else None,
        )
    ]
    declared += [MetricDeclaration(outcome=guard.outcome) for guard in analysis.guardrails if guard.outcome is not None]
    return RolloutDeclaration(metrics=tuple(declared))


def policy_of(analysis: Analysis, weights: Sequence[int]) -> Policy:
    """The analysis in the evidence's terms.

    Args:
        analysis: of the spec.
        weights: percent, one for each step.

    Raises:
        EvidenceError: nothing could be concluded from it.

    """
    return Policy(
        primary=_primary(analysis.primary, analysis, weights),
        guardrails=tuple(_guardrail(guard) for guard in analysis.guardrails),
        alpha=analysis.alpha,
        steps=len(weights),
        on_inconclusive=analysis.on_inconclusive,
    )


def judge(
    analysis: Analysis, weights: Sequence[int], stage: Stage, statistics: RolloutStatistics, *, promised: bool = True
) -> tuple[Judgement, tuple[Cohort, ...]]:
    """The judgement, and the primary's cohorts. A pure function of the integers and the step's age.

    Errors and slow requests are compared among requests, outcomes among exposures.

    Args:
        analysis: of the spec.
        weights: percent, one for each step.
        stage: the step under way.
        statistics: the ledger's integers.
        promised: whether somebody sees to it that the canary gets its weight. Where numbers of pods are the split
            nobody does, and only what was realised is compared.

    Raises:
        EvidenceError: the integers contradict each other, or nothing could be concluded from the analysis.

    """
    policy = policy_of(analysis, weights)
    nominal = dict(enumerate(weights)) if promised else {}
    requests = request_cohorts(statistics, nominal)
    by_outcome = {
        name: cohorts(statistics, nominal, outcome=name)
        for name in (analysis.primary.outcome, *(guard.outcome for guard in analysis.guardrails if guard.outcome))
    }
    findings = tuple(find(policy, metric, by_outcome.get(metric.name, requests)) for metric in policy.metrics)
    own = by_outcome[analysis.primary.outcome]
    return decide(policy, stage, own, findings), own


def stage_of(step: Step, number: int, elapsed_seconds: float) -> Stage:
    """What a step asks, and its age.

    Args:
        step: of the spec.
        number: of it, from 0.
        elapsed_seconds: since it began; a clock that went back counts as none.

    """
    longest = step.max_duration_seconds
    return Stage(
        step=number,
        min_exposures=step.min_exposures,
        min_duration_seconds=step.min_duration_seconds,
        max_duration_seconds=math.inf if longest is None else longest,
        elapsed_seconds=max(0.0, elapsed_seconds),
    )


def _primary(metric: PrimaryMetric, analysis: Analysis, weights: Sequence[int]) -> Metric:
    if metric.values is None:
        return Proportion(metric.outcome, Count.SUCCESSES, metric.direction, metric.margin)
    scale = 10**DECIMALS
    tuning = tuning_for(
        deviation=metric.values.deviation * scale,
        exposures=metric.values.planned_exposures,
        share=weights[-1] / 100,
        alpha=analysis.alpha,
    )
    return Mean(metric.outcome, metric.direction, metric.margin, round(metric.values.cap * scale), tuning)


def _guardrail(guard: Guardrail) -> Proportion:
    return Proportion(
        name=guard.outcome or guard.metric.value,
        count=_COUNTS.get(guard.metric, Count.SUCCESSES),
        direction=guard.direction,
        margin=guard.margin,
        tolerated_rate=guard.tolerated_rate,
    )
