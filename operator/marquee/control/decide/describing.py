"""The status that people read, and the events that tell them what changed."""

from __future__ import annotations

from typing import NamedTuple

from marquee.api.conditions import ConditionDraft, ConditionType, Reason, merge
from marquee.api.marketing_model import ArmStatus, MarketingModelStatus, Phase
from marquee.api.model_revision import ModelRevision
from marquee.api.rollout_status import CohortCounts, MetricEvidence, RolloutResult, RolloutStatus, SeenTraffic
from marquee.api.types import timestamp
from marquee.control.decide.autoscaler import autoscaler_draft
from marquee.control.decide.drifting import drift_draft, drift_notices, drift_status
from marquee.control.decide.facts import Arm, Facts
from marquee.control.decide.foreseeing import seen_traffic, shortfall_of
from marquee.control.decide.integers import counts_of
from marquee.control.decide.judging import evidence_of, forecast_of
from marquee.control.decide.performing import performance_draft, performance_notices
from marquee.control.decide.plan import Notice
from marquee.control.decide.retraining import LoopPlan, retraining_notices
from marquee.control.decide.stating import safe_notices, safe_state
from marquee.control.decide.table import Move, Row
from marquee.control.decide.wording import Told, realised
from marquee.control.render import names
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Snapshot

_STALLED = frozenset({Phase.BLOCKED, Phase.FAILED, Phase.ROLLED_BACK})
_READY = frozenset({Phase.SERVING, Phase.DRAINING, Phase.EXTERNAL})
_SETTLED = _READY | {Phase.ROLLED_BACK}
"""The target serves, whether or not it is what the spec names."""
_TOLD = Move.BEGIN | Move.ADVANCE | Move.FILL | Move.WITHDRAW | Move.SWITCH
"""What people get an event about each time."""
_WAITING = frozenset(
    {
        Reason.AWAITING_APPROVAL,
        Reason.APPROVALS_MISSING,
        Reason.FAIRNESS_MISSING,
        Reason.FAIRNESS_EXCEEDED,
        Reason.FROZEN,
    }
)
"""Why a rollout waits for people, or for a time of theirs."""
_FORGOTTEN = "the model's Service was removed, and with it what it remembered of this rollout"
_LOST = (
    "steps without spec.traffic: numbers of pods are the split, a connection goes to any of them, and a user may see "
    "both revisions; requests are counted, not users; there is no holdout and no choice of the arm"
)


def status_of(
    snapshot: Snapshot,
    facts: Facts,
    row: Row,
    told: Told,
    record: RolloutRecord | None,
    loop: LoopPlan,
    *,
    owed: int = 0,
) -> MarketingModelStatus:
    """The whole status; a field that this leaves out is removed by server-side apply.

    ``owed``: changes of traffic that are not in the audit log yet.
    """
    model = snapshot.model
    now = timestamp(snapshot.now)
    previous = model.status
    stable = _stable_status(snapshot, facts, row, now)
    drafts = _drafts(snapshot, facts, row, told) + ([loop.draft] if loop.draft is not None else []) + _unrecorded(owed)
    name, generation = model.metadata.name, model.metadata.generation
    return MarketingModelStatus(
        observed_generation=generation,
        phase=row.phase,
        conditions=merge(previous.conditions, drafts, generation=generation, now=now),
        stable=stable,
        canary=_canary_status(snapshot, facts, row, now),
        rollout=_rollout_status(snapshot, facts, told, record),
        drift=drift_status(snapshot, facts.serving),
        governance=facts.approvals.status() if facts.approvals is not None else None,
        retraining=loop.status,
        replicas=stable.replicas if stable else 0,
        selector="" if facts.external else f"{names.LABEL_MODEL}={name}",
        url="" if facts.external else f"http://{name}.{model.metadata.namespace}.svc",
    )


def notices_of(snapshot: Snapshot, row: Row, told: Told, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """An event when something failed that had not before, when that is over, for each move of a rollout, and when it
    shows that its plan can't conclude."""
    return (
        *_notices_of_row(snapshot, row, told),
        *_foreseen(snapshot, status),
        *drift_notices(snapshot, status),
        *performance_notices(snapshot, status),
        *safe_notices(snapshot, status),
        *retraining_notices(snapshot, status),
    )


def _foreseen(snapshot: Snapshot, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """A warning when a step turns out too short, once in a rollout and for the step."""
    before, now = snapshot.model.status.rollout, status.rollout
    if now is None or not now.shortfall:
        return ()
    known = before is not None and before.name == now.name and _step_named(before.shortfall)
    if known == _step_named(now.shortfall):
        return ()
    return (Notice(warning=True, reason=Reason.PLAN_INCONCLUSIVE, note=now.shortfall),)


def _step_named(shortfall: str) -> str:
    """The first words, which name the step; the rest changes with each look at the traffic."""
    return shortfall.partition(" at ")[0]


def _notices_of_row(snapshot: Snapshot, row: Row, told: Told) -> tuple[Notice, ...]:
    reason, message = told
    before = next((c for c in snapshot.model.status.conditions if c.type == ConditionType.READY), None)
    if row.phase in _STALLED and (before is None or before.reason != reason.value):
        return (Notice(warning=True, reason=reason, note=message),)
    recovers = any(c.type == ConditionType.STALLED for c in snapshot.model.status.conditions)
    waits = row.reason in _WAITING and (before is None or before.reason != reason.value)
    if row.moves & _TOLD or waits or (recovers and row.phase not in _STALLED):
        return (Notice(warning=Move.WITHDRAW in row.moves, reason=reason, note=message),)
    return ()


def _drafts(snapshot: Snapshot, facts: Facts, row: Row, told: Told) -> list[ConditionDraft]:
    reason, message = told
    is_ready = row.phase in _READY
    drafts = [ConditionDraft(type=ConditionType.READY, status=is_ready, reason=reason, message=message)]
    if row.phase in _STALLED:
        drafts.append(ConditionDraft(type=ConditionType.STALLED, status=True, reason=reason, message=message))
    elif not is_ready:
        drafts.append(ConditionDraft(type=ConditionType.RECONCILING, status=True, reason=reason, message=message))
    if (autoscaler := autoscaler_draft(snapshot, facts.serving)) is not None:
        drafts.append(autoscaler)
    if (drift := drift_draft(snapshot, facts.serving)) is not None:
        drafts.append(drift)
    if (performance := performance_draft(snapshot, facts.serving)) is not None:
        drafts.append(performance)
    drafts += safe_state(snapshot, facts, row, told)
    if snapshot.model.spec.splits_by_pods:
        share = realised(facts)
        lost = f"{_LOST}; now {share}" if share else _LOST
        drafts.append(
            ConditionDraft(
                type=ConditionType.STICKY_ASSIGNMENT, status=False, reason=Reason.REPLICA_RATIO, message=lost
            )
        )
    return drafts


def _unrecorded(owed: int) -> list[ConditionDraft]:
    if not owed:
        return []
    what = f"{owed} change{'s' if owed > 1 else ''} of traffic could not wait for the audit log"
    return [
        ConditionDraft(
            type=ConditionType.GOVERNANCE_RECORDED,
            status=False,
            reason=Reason.AUDIT_UNAVAILABLE,
            message=f"{what}; the entries follow, marked late, when it is to be had",
        )
    ]


def _stable_status(snapshot: Snapshot, facts: Facts, row: Row, now: str) -> ArmStatus | None:
    """Who answers users: entered when it has proven itself, kept through every later trouble."""
    previous = snapshot.model.status.stable
    if row.phase in _SETTLED and facts.target is not None:
        return _arm_status(facts.target, facts.revision, previous, now)
    if previous is None or previous.revision != facts.serving:
        return None
    state = snapshot.deployment(previous.revision)
    return previous.model_copy(
        update={
            "replicas": state.replicas if state else 0,
            "ready_replicas": state.available_replicas if state else 0,
        }
    )


def _canary_status(snapshot: Snapshot, facts: Facts, row: Row, now: str) -> ArmStatus | None:
    stable = snapshot.model.status.stable
    if facts.target is None or row.phase in _SETTLED:
        return None
    if stable is not None and stable.revision == facts.target.name and facts.serving == facts.target.name:
        return None
    return _arm_status(facts.target, facts.revision, snapshot.model.status.canary, now)


def _rollout_status(snapshot: Snapshot, facts: Facts, told: Told, record: RolloutRecord | None) -> RolloutStatus | None:
    """The newest rollout as people read it; when it has ended, with the evidence that it ended by."""
    if record is None:
        return _without_record(snapshot.model.status.rollout)
    seen = _seen(snapshot, facts, record)
    judgement = facts.rollout.judgement
    verdict = record.result or (judgement.verdict if judgement is not None else None)
    return RolloutStatus(
        name=record.name,
        revision=record.revision,
        plan=record.plan,
        step=record.step,
        progress=f"{record.step + 1}/{len(record.weights)}",
        weight=record.weight,
        realised=realised(facts),
        started=timestamp(record.started),
        step_started=timestamp(record.step_started),
        verdict=verdict.value if verdict is not None else "",
        message=told.message if record.result is None else record.message,
        evidence=seen.evidence,
        counts=seen.counts,
        forecast=seen.forecast,
        traffic=seen.traffic,
        shortfall=seen.shortfall,
        result=record.result,
    )


def _without_record(told: RolloutStatus | None) -> RolloutStatus | None:
    """What was told of a rollout before its Service was removed: the name of the one that follows depends on it."""
    if told is None or told.result is not None:
        return told
    result = RolloutResult.ABORTED
    return told.model_copy(update={"result": result, "verdict": result.value, "message": _FORGOTTEN, "weight": 0})


class _Seen(NamedTuple):
    """What the ledger's integers have shown."""

    evidence: tuple[MetricEvidence, ...] = ()
    counts: tuple[CohortCounts, ...] = ()
    forecast: str = ""
    traffic: SeenTraffic | None = None
    shortfall: str = ""


def _seen(snapshot: Snapshot, facts: Facts, record: RolloutRecord) -> _Seen:
    """Of now; of a rollout that has ended, when it did; where nothing can be judged now, what was seen last."""
    before = snapshot.model.status.rollout
    kept = before if before is not None and before.name == record.name else None
    judgement, is_over = facts.rollout.judgement, record.result is not None
    if record.counts and judgement is None:
        return _Seen(record.evidence, record.counts, traffic=kept.traffic if kept is not None else None)
    if judgement is None and kept is not None:
        forecast, shortfall = ("", "") if is_over else (kept.forecast, kept.shortfall)
        return _Seen(kept.evidence, kept.counts, forecast, kept.traffic, shortfall)
    if judgement is None:
        # the rollout before tells of the traffic that this one will have
        traffic = before.traffic if before is not None else None
        return _Seen(traffic=traffic, shortfall="" if is_over else _shortfall(snapshot, facts, record, traffic))
    counts = counts_of(snapshot.ledger.statistics if snapshot.ledger is not None else None)
    if is_over:
        return _Seen(evidence_of(judgement), counts, traffic=seen_traffic(judgement, record, snapshot.now))
    if kept is not None and kept.forecast and (kept.counts, kept.weight) == (counts, record.weight):
        # time alone makes no news, or each look at a step that waits would be a write
        return _Seen(evidence_of(judgement), counts, kept.forecast, kept.traffic, kept.shortfall)
    traffic = seen_traffic(judgement, record, snapshot.now) or (kept.traffic if kept is not None else None)
    forecast = forecast_of(judgement, record, snapshot.now)
    return _Seen(evidence_of(judgement), counts, forecast, traffic, _shortfall(snapshot, facts, record, traffic))


def _shortfall(snapshot: Snapshot, facts: Facts, record: RolloutRecord, traffic: SeenTraffic | None) -> str:
    beside = facts.stable.deployment if facts.stable is not None else None
    pods = beside.replicas if beside is not None else None
    return shortfall_of(snapshot.model.spec, traffic, step=record.step, stable_pods=pods)


def _arm_status(arm: Arm, revision: ModelRevision, previous: ArmStatus | None, now: str) -> ArmStatus:
    digest = revision.spec.artifact.digest
    is_same = previous is not None and (previous.revision, previous.digest) == (arm.name, digest)
    return ArmStatus(
        revision=arm.name,
        digest=digest,
        since=previous.since if previous is not None and is_same else now,
        replicas=arm.wanted_replicas,
        ready_replicas=arm.deployment.available_replicas if arm.deployment else 0,
    )
