"""Computes a rollout's judgement again from the integers in its status: the same functions, on another machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from marquee.api.marketing_model import MarketingModel
from marquee.api.rollout import Analysis, Step
from marquee.api.rollout_status import MetricEvidence, RolloutStatus
from marquee.cli.problems import ClusterProblem
from marquee.cli.seen import Body
from marquee.contract.ledger import RolloutStatistics
from marquee.control.decide.integers import cohorts_of
from marquee.control.decide.judging import evidence_of, judge
from marquee.control.render.record import RolloutRecord, plan_digest
from marquee.evidence.errors import QuestionError
from marquee.evidence.rule import Judgement
from marquee.judging.asking import declaration_of


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A judgement of one's own beside the operator's."""

    rollout: RolloutStatus
    judgement: Judgement
    differences: tuple[str, ...]
    """Where they are not the same, in words."""


def recompute(body: Body, now: datetime) -> Recomputed:
    """The judgement by ``spec.rollout`` on ``status.rollout.counts``, compared with ``status.rollout``.

    Raises:
        ClusterProblem: the model is not understood, or has no rollout.
        EvidenceError: the spec has no analysis, or another plan than the rollout, or the integers allow no judgement.

    """
    try:
        model = MarketingModel.model_validate(body)
    except ValidationError as error:
        raise ClusterProblem(
            f"the cluster's MarketingModel is not understood: {error}; "
            "use the plugin of the version of Marquee that the cluster has"
        ) from None
    rollout = model.status.rollout
    if rollout is None:
        raise ClusterProblem(f"{model.metadata.name} has no rollout")
    analysis = _analysis_of(model, rollout)
    judgement = _judge(model, analysis, rollout, now)
    return Recomputed(rollout, judgement, tuple(_differences(model, analysis, rollout, judgement, now)))


def _analysis_of(model: MarketingModel, rollout: RolloutStatus) -> Analysis:
    spec = model.spec.rollout
    if spec.analysis is None or not spec.steps:
        raise QuestionError("spec.rollout.analysis", "is missing", "nothing is judged without one")
    if rollout.plan != plan_digest(model) or rollout.step >= len(spec.steps):
        raise QuestionError(
            "spec.rollout",
            f"is another plan now than that of the rollout {rollout.name}",
            "its evidence can only be computed by the steps, analysis, assignment and slo that it ran with",
        )
    return spec.analysis


def _judge(model: MarketingModel, analysis: Analysis, rollout: RolloutStatus, now: datetime) -> Judgement:
    return judge(
        model.spec.rollout.steps, analysis, _record(model, rollout), _statistics(model, analysis, rollout), now
    )


def _differences(
    model: MarketingModel, analysis: Analysis, rollout: RolloutStatus, judgement: Judgement, now: datetime
) -> list[str]:
    there = {found.metric: found for found in rollout.evidence}
    found = [_difference(one, there.pop(one.metric, None)) for one in evidence_of(judgement)]
    found += [f"{name}: is not in the analysis" for name in there]
    if rollout.result is None and rollout.verdict:
        step, started = model.spec.rollout.steps[rollout.step], datetime.fromisoformat(rollout.step_started)
        moments = _turning_points(step, started, now)
        verdicts = {_judge(model, analysis, rollout, moment).verdict.value for moment in moments}
        if rollout.verdict not in verdicts:
            found.append(f"verdict: {rollout.verdict} in the status, {judgement.verdict.value} here")
    return [text for text in found if text]


def _turning_points(step: Step, started: datetime, now: datetime) -> list[datetime]:
    """Moments between which time changes no verdict: the operator's last look lies somewhere between them."""
    bounds = (0, step.min_duration_seconds, step.max_duration_seconds or 0)
    moments = [started + timedelta(seconds=seconds) for seconds in bounds]
    return [*(moment for moment in moments if moment <= now), now]


def _difference(here: MetricEvidence, there: MetricEvidence | None) -> str:
    if there == here:
        return ""
    if there is None:
        return f"{here.metric}: is not in the status"
    pairs = (
        ("counts", here.counts, there.counts),
        ("harm", here.harm, there.harm),
        ("non-inferiority", here.non_inferiority, there.non_inferiority),
    )
    return f"{here.metric}: " + "; ".join(
        f"{what} {theirs} in the status, {ours} here" for what, ours, theirs in pairs if ours != theirs
    )


def _record(model: MarketingModel, rollout: RolloutStatus) -> RolloutRecord:
    return RolloutRecord(
        name=rollout.name,
        revision=rollout.revision,
        digest="",
        plan=rollout.plan,
        stable="",
        weights=tuple(step.weight for step in model.spec.rollout.steps),
        step=rollout.step,
        started=datetime.fromisoformat(rollout.started),
        step_started=datetime.fromisoformat(rollout.step_started),
        by_pods=model.spec.splits_by_pods,
    )


def _statistics(model: MarketingModel, analysis: Analysis, rollout: RolloutStatus) -> RolloutStatistics:
    return RolloutStatistics(
        model=f"{model.metadata.namespace}/{model.metadata.name}",
        rollout=rollout.name,
        revision=0,
        closed=False,
        metrics=declaration_of(analysis).metrics,
        cohorts=cohorts_of(rollout.counts),
    )
