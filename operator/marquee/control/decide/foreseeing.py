"""Whether a plan can come to its verdicts in the time that it gives them, at the traffic that was seen."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from marquee.api.marketing_model import MarketingModelSpec
from marquee.api.rollout import PrimaryMetric
from marquee.api.rollout_status import SeenTraffic
from marquee.contract.ledger import MetricKind
from marquee.control.decide.ratio import canary_pods
from marquee.control.render.record import RolloutRecord
from marquee.evidence.forecasting import PlannedStep, Traffic, steps_that_cannot_conclude
from marquee.evidence.policy import Proportion
from marquee.evidence.rule import Judgement

ENOUGH_OUTCOMES: Final = 50
"""Of stable: a rate from fewer is off by more than a seventh, and so would be every forecast."""
_MILLION: Final = 1_000_000


def planned_steps(spec: MarketingModelSpec, stable_pods: int | None = None) -> tuple[PlannedStep, ...]:
    """The steps as forecasts need them, each at the share that it comes to.

    Args:
        spec: with ``rollout.steps``.
        stable_pods: that serve beside the canary, where pods are the split; by default as many as the spec asks for.

    """
    pods = stable_pods or spec.scaling.min_replicas
    return tuple(
        PlannedStep(
            weight=_share(pods, step.weight) if spec.splits_by_pods else step.weight,
            max_duration_seconds=math.inf if step.max_duration_seconds is None else step.max_duration_seconds,
            min_exposures=step.min_exposures,
            min_duration_seconds=step.min_duration_seconds,
        )
        for step in spec.rollout.steps
    )


def seen_traffic(judgement: Judgement, record: RolloutRecord, now: datetime) -> SeenTraffic | None:
    """What a rollout has shown of its traffic; None while that is too little, and for means."""
    seen, hours = judgement.findings[0].seen, (now - record.started).total_seconds() / 3600
    if hours <= 0 or seen.stable < ENOUGH_OUTCOMES or not isinstance(judgement.policy.primary, Proportion):
        return None
    return SeenTraffic(
        exposures_per_hour=round((seen.canary_exposures + seen.stable_exposures) / hours),
        outcomes_per_million=round(_MILLION * seen.stable / seen.stable_exposures),
    )


def traffic_of(seen: SeenTraffic) -> Traffic:
    """The same for a forecast."""
    return Traffic(seen.exposures_per_hour, seen.outcomes_per_million / _MILLION)


def shortfall_of(
    spec: MarketingModelSpec, seen: SeenTraffic | None, *, step: int = 0, stable_pods: int | None = None
) -> str:
    """The first step, from ``step`` on, that cannot conclude in its maxDurationSeconds, in words; empty: all can, or
    nobody knows."""
    analysis, steps = spec.rollout.analysis, planned_steps(spec, stable_pods)
    if seen is None or analysis is None or not is_foreseeable(analysis.primary):
        return ""
    if all(math.isinf(planned.max_duration_seconds) for planned in steps):
        return ""
    primary = analysis.primary
    found = steps_that_cannot_conclude(
        steps, traffic_of(seen), primary.direction, margin=primary.margin, alpha=analysis.alpha
    )
    return next((str(shortfall) for shortfall in found if shortfall.step >= step), "")


def is_foreseeable(metric: PrimaryMetric) -> bool:
    """Whether there are forecasts for it: how values scatter is not known before they are seen."""
    return metric.kind is MetricKind.PROPORTION


def _share(stable: int, weight: int) -> float:
    canary = canary_pods(stable, weight)
    return 100 * canary / (canary + stable)
