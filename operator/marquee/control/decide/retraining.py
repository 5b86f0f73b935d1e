"""The closed loop: which run is under way, what comes of it, whether another one starts, and how people read it.

Serving is never touched: a candidate that has passed its gate becomes a ModelRevision, and from then on it is one like
any other. There is one step at a time, and a run is settled before the next one may start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from marquee.api.conditions import ConditionDraft, ConditionType, Reason
from marquee.api.marketing_model import MarketingModelStatus, Phase
from marquee.api.retraining import Retraining, RetrainingStatus, RunStatus
from marquee.api.types import timestamp
from marquee.control.decide.ended import PATIENCE, waiting_words
from marquee.control.decide.facts import Facts
from marquee.control.decide.plan import Apply, Delete, Notice, RetrainingStep
from marquee.control.decide.run_entries import started_entry
from marquee.control.decide.runs import Run, Settlement, remembered, runs_of, settle
from marquee.control.decide.table import Row
from marquee.control.decide.triggering import Asked, asked, next_allowed, order_of, states_of
from marquee.control.decide.unwanted import unwanted
from marquee.control.kinds import JOB, SERVICE_ACCOUNT, TRAIN_JOB
from marquee.control.render import children
from marquee.control.render.retraining import job
from marquee.control.render.train_job import train_job, training_runtime
from marquee.control.snapshot import JobPhase, JobState, Snapshot
from marquee.judging.gating import Ruling
from marquee.judging.retraining import Outcome, RetrainingDecision, Trigger, decide_retraining, is_blocked
from marquee.judging.scheduling import Schedule, ScheduleError, next_moment, read_schedule

KEPT_JOBS: Final = 3
"""Finished Jobs that people may still look into, and read the log of."""
TRY_AGAIN_SECONDS: Final = 30.0
"""After a step that could not be made."""
LOOK_AGAIN_SECONDS: Final = 5.0
"""While the Job has ended and its pod's word may still come."""
LOOK_FOR_SECONDS: Final = 30.0
"""Whether Kubeflow Trainer is there now."""
NO_TRAIN_JOBS: Final = (
    "spec.retraining.run.nodes asks for a TrainJob, and this cluster does not serve TrainJobs and TrainingRuntimes "
    "(trainer.kubeflow.org/v1alpha1): install Kubeflow Trainer, or train on one node"
)
_LONGEST: Final = 1024
_SETTLED: Final = frozenset({Phase.FAILED, Phase.BLOCKED, Phase.ROLLED_BACK})
"""Another revision is wanted, and is not on its way: it waits for a person, and holds no training up."""
_QUIET: Final = frozenset({Reason.UP_TO_DATE, Reason.COOLING_DOWN})
_GOOD: Final = frozenset({Reason.IN_FLIGHT, Reason.GATE_PASSED, Reason.CANDIDATE_WAITING})


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """What retraining adds to a plan."""

    status: RetrainingStatus | None = None
    draft: ConditionDraft | None = None
    step: RetrainingStep | None = None
    applies: tuple[Apply, ...] = ()
    """Before the step."""
    deletes: tuple[Delete, ...] = ()
    waits: tuple[float, ...] = ()
    """Seconds after which to look again."""


def plan_retraining(snapshot: Snapshot, facts: Facts, row: Row) -> LoopPlan:
    """What to do about the runs of a model now; one step at a time."""
    spec = snapshot.model.spec.retraining
    if snapshot.spec_error:
        return LoopPlan(snapshot.model.status.retraining)
    if spec is None:
        return LoopPlan(deletes=tuple(unwanted(snapshot, snapshot.jobs)))
    before = snapshot.model.status.retraining or RetrainingStatus(since=timestamp(snapshot.now))
    champions, blocked = _champions(snapshot, before), is_blocked(states_of(snapshot, before))
    before = before.model_copy(update={"champions": champions, "feed_blocked": blocked})
    runs = runs_of(snapshot, before)
    under_way = next((run for run in reversed(runs) if not run.settled), None)
    if under_way is None:
        plan = _perhaps_start(snapshot, spec, before, runs, is_rolling=_is_rolling(facts, row))
    elif (settlement := settle(snapshot, spec.gate, under_way)) is None:
        plan = _running(snapshot, before, runs, under_way)
    else:
        plan = _settled(snapshot, before, runs, under_way, settlement)
    deletes = tuple(unwanted(snapshot, _old_jobs(snapshot), starting=plan.step))
    return replace(_unless_resting(snapshot, plan), deletes=deletes)


def retraining_notices(snapshot: Snapshot, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """An event when the condition has another reason than before."""
    kind = ConditionType.RETRAINING_UP_TO_DATE
    before = next((one.reason for one in snapshot.model.status.conditions if one.type == kind), "")
    now = next((one for one in status.conditions if one.type == kind), None)
    if now is None or now.reason == before or Reason(now.reason) in _QUIET:
        return ()
    reason = Reason(now.reason)
    return (Notice(warning=reason not in _GOOD, reason=reason, note=now.message),)


def _perhaps_start(
    snapshot: Snapshot, spec: Retraining, before: RetrainingStatus, runs: tuple[Run, ...], *, is_rolling: bool
) -> LoopPlan:
    schedules, complaint = _schedules(spec)
    told = tuple(run.told for run in runs)
    found = asked(snapshot, spec, before, told, schedules, in_flight=is_rolling)
    decision = decide_retraining(found.facts, found.policy)
    status = _status(snapshot, before, told, found)
    waits = _waits(snapshot, decision, schedules)
    if spec.run.nodes > 1 and not snapshot.has_train_jobs:
        return LoopPlan(
            status, _draft(False, Reason.TRAINER_UNAVAILABLE, NO_TRAIN_JOBS), waits=(*waits, LOOK_FOR_SECONDS)
        )
    if decision.outcome is Outcome.START and decision.trigger is not None:
        step, why = _start(snapshot, spec, before, found, decision.trigger)
        draft = _draft(None, Reason.IN_FLIGHT, f"a run starts: {why}")
        return LoopPlan(status, draft, step, tuple(_identity(snapshot, spec)), waits=waits)
    return LoopPlan(status, _idle_draft(snapshot, decision, told, complaint), waits=waits)


def _start(
    snapshot: Snapshot, spec: Retraining, before: RetrainingStatus, found: Asked, trigger: Trigger
) -> tuple[RetrainingStep, str]:
    champions = before.champions[: spec.champion_pool]
    order = order_of(snapshot, spec, found, trigger, champions)
    revisions = [revision for name in champions if (revision := snapshot.revision(name)) is not None]
    entries = (started_entry(snapshot, order),) if snapshot.audit is not None else ()
    if spec.run.nodes > 1:
        made = (snapshot.model, spec, order, revisions, snapshot.trainer)
        manifest = train_job(snapshot.model, spec, order)
        return RetrainingStep(entries, TRAIN_JOB, manifest, runtime=training_runtime(*made)), order.why
    return RetrainingStep(entries, JOB, job(snapshot.model, spec, order, revisions, snapshot.trainer)), order.why


def _identity(snapshot: Snapshot, spec: Retraining) -> Iterator[Apply]:
    """Whom the run's pods run as: a model that has never served has no ServiceAccount yet."""
    manifest = children.service_account(snapshot.model)
    if spec.run.service_account_name is None and snapshot.child(SERVICE_ACCOUNT, manifest["metadata"]["name"]) is None:
        yield Apply(kind=SERVICE_ACCOUNT, manifest=manifest, create=True)


def _running(snapshot: Snapshot, before: RetrainingStatus, runs: tuple[Run, ...], run: Run) -> LoopPlan:
    assert run.job is not None  # noqa: S101 - a run without one has ended
    patience = (run.job.created + PATIENCE - snapshot.now).total_seconds()
    waits = ((patience,) if patience > 0 else ()) if run.job.phase is JobPhase.RUNNING else (LOOK_AGAIN_SECONDS,)
    words = f"run {run.told.name} is under way, by {run.order.trigger}: {run.order.why}"
    reason = Reason.RUN_SUSPENDED if run.job.suspended and run.job.phase is JobPhase.RUNNING else Reason.IN_FLIGHT
    if trouble := waiting_words(run.job, snapshot.trainer_pods, snapshot.now):
        words = f"{words}; {trouble}"
    status = _status(snapshot, before, tuple(one.told for one in runs), None)
    return LoopPlan(status, _draft(None, reason, words), waits=waits)


def _settled(
    snapshot: Snapshot, before: RetrainingStatus, runs: tuple[Run, ...], run: Run, settlement: Settlement
) -> LoopPlan:
    if settlement.step is not None:
        plan = _running(snapshot, before, runs, run) if run.job is not None else LoopPlan(before)
        return replace(plan, step=settlement.step, waits=())
    told = tuple(settlement.told if one is run else one.told for one in runs)
    figures = {"rows": settlement.rows, "comparison": settlement.figures} if settlement.rows else {}
    status = _status(snapshot, before, told, None).model_copy(update=figures)
    draft = _last_draft(snapshot, settlement.told)
    return LoopPlan(status, draft, waits=(0.0,))


def _unless_resting(snapshot: Snapshot, plan: LoopPlan) -> LoopPlan:
    """A step that could not be made a moment ago is not tried again at once: people are told why."""
    trouble = snapshot.trouble
    if plan.step is None or trouble is None:
        return plan
    left = TRY_AGAIN_SECONDS - (snapshot.now - trouble.at).total_seconds()
    if left <= 0:
        return plan
    draft = _draft(False, trouble.reason, f"{trouble.message}; tried again every {TRY_AGAIN_SECONDS:g} s")
    return replace(plan, step=None, draft=draft, waits=(left,))


def _status(
    snapshot: Snapshot, before: RetrainingStatus, runs: tuple[RunStatus, ...], found: Asked | None
) -> RetrainingStatus:
    ended = next((told.outcome for told in runs if told.outcome), before.outcome)
    answered = next((told.asked for told in runs if told.trigger == Trigger.MANUAL), before.answered)
    update: dict[str, object] = {
        "runs": remembered(runs, snapshot),
        "outcome": ended,
        "answered": answered,
    }
    if found is not None:
        allowed = next_allowed(found.policy, found.facts)
        update["next_allowed"] = timestamp(allowed) if allowed is not None else None
    return before.model_copy(update=update)


def _champions(snapshot: Snapshot, before: RetrainingStatus) -> tuple[str, ...]:
    """Who serves, and who served before it, as far as their artifacts are still known."""
    stable = snapshot.model.status.stable
    names = dict.fromkeys([*([stable.revision] if stable is not None else []), *before.champions])
    return tuple(name for name in names if snapshot.revision(name) is not None)[:4]


def _is_rolling(facts: Facts, row: Row) -> bool:
    """Another revision is on its way to users: what a run would be compared with is about to change."""
    return facts.stable is not None and row.phase not in _SETTLED


def _schedules(spec: Retraining) -> tuple[tuple[Schedule, ...], str]:
    try:
        return read_schedule(spec.triggers.schedule), ""
    except ScheduleError as error:
        return (), str(error)


def _waits(snapshot: Snapshot, decision: RetrainingDecision, schedules: tuple[Schedule, ...]) -> tuple[float, ...]:
    moments: list[datetime | None] = [decision.until, next_moment(schedules, snapshot.now)]
    return tuple(max(0.0, (moment - snapshot.now).total_seconds()) for moment in moments if moment is not None)


def _idle_draft(
    snapshot: Snapshot, decision: RetrainingDecision, runs: tuple[RunStatus, ...], complaint: str
) -> ConditionDraft:
    if complaint:
        return _draft(False, Reason.SCHEDULE_INVALID, complaint)
    last = runs[0] if runs else None
    until = f"; a run may start at {timestamp(decision.until)}" if decision.until is not None else ""
    by = f"{decision.trigger} asks for a training" if decision.trigger is not None else ""
    match decision.outcome:
        case Outcome.IN_FLIGHT:
            return _draft(None, Reason.IN_FLIGHT, f"{by}, and another revision is on its way to users")
        case Outcome.FEED_BLOCKED:
            words = f"{by}, and a feed was broken: repair it, or ask by `kubectl marquee retrain`"
            return _draft(False, Reason.FEED_BLOCKED, words)
        case Outcome.BUDGET_USED | Outcome.COOLING_DOWN if last is None or last.outcome == Ruling.GATE_PASSED:
            return _draft(False, Reason(decision.outcome.value), by + until)
    if last is None:
        return _draft(True, Reason.UP_TO_DATE, "nothing asks for a training")
    draft = _last_draft(snapshot, last)
    return draft.model_copy(update={"message": (draft.message + until)[:_LONGEST]})


def _last_draft(snapshot: Snapshot, told: RunStatus) -> ConditionDraft:
    """What the last run has come to."""
    if told.outcome != Ruling.GATE_PASSED:
        reason = Reason(told.outcome) if told.outcome in set(Reason) else Reason.RUN_FAILED  # of a newer operator
        return _draft(False, reason, f"run {told.name}, by {told.trigger}: {told.message}")
    spec, stable = snapshot.model.spec, snapshot.model.status.stable
    candidate = snapshot.revision(told.revision)
    if candidate is None:
        return _draft(True, Reason.UP_TO_DATE, f"revision {told.revision} of the last run was deleted")
    if spec.pinned in {None, told.revision} or _is_overtaken(snapshot, candidate.metadata.creation_timestamp):
        place = "serves" if stable is not None and stable.revision == told.revision else "exists"
        return _draft(True, Reason.GATE_PASSED, f"revision {told.revision} {place}: {told.message}")
    words = f"revision {told.revision} has passed its gate ({told.message}) and waits: take it by spec.revision.name"
    return _draft(False, Reason.CANDIDATE_WAITING, words)


def _is_overtaken(snapshot: Snapshot, created: str) -> bool:
    """A newer revision serves."""
    stable = snapshot.model.status.stable
    serving = snapshot.revision(stable.revision) if stable is not None else None
    return serving is not None and serving.metadata.creation_timestamp > created


def _old_jobs(snapshot: Snapshot) -> Iterator[JobState]:
    """Those that people need no more: their outcome is in the stored status, and newer ones are there."""
    stored = snapshot.model.status.retraining
    settled = {told.name for told in stored.runs if told.outcome} if stored is not None else set()
    newest_first = sorted(snapshot.jobs, key=lambda state: (state.created, state.child.name), reverse=True)
    for number, state in enumerate(newest_first):
        is_over = state.run in settled and state.phase is not JobPhase.RUNNING
        if number >= KEPT_JOBS and is_over:
            yield state


def _draft(status: bool | None, reason: Reason, message: str) -> ConditionDraft:
    return ConditionDraft(
        type=ConditionType.RETRAINING_UP_TO_DATE, status=status, reason=reason, message=message[:_LONGEST]
    )
