"""The retraining runs of a model: what Jobs, TrainJobs and the status remember, and what comes of one that has ended.

A run is settled when its outcome is in the status, and then nothing more is made of it. Until then everything is found
out anew each time, so that an operator which takes over in the middle goes on where the other has stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from marquee.api.conditions import Reason
from marquee.api.retraining import MAX_RUNS, ComparedMetric, Gate, RetrainingStatus, RunStatus
from marquee.api.types import timestamp
from marquee.contract.retraining import RetrainingResult
from marquee.control.decide.ended import Ended, read_end
from marquee.control.decide.plan import RetrainingStep, RunEntry
from marquee.control.decide.run_entries import failed_entry, judged_entries
from marquee.control.kinds import MODEL_REVISION
from marquee.control.render import names
from marquee.control.render.retraining import RunOrder, read_order
from marquee.control.render.revision import candidate
from marquee.control.snapshot import JobState, Snapshot
from marquee.judging.gating import GateVerdict, Ruling, judge_candidate

_WEEK: Final = timedelta(days=7)
_TEXT_LIMIT: Final = 512


@dataclass(frozen=True, slots=True)
class Run:
    """One run."""

    told: RunStatus
    """What is known of it so far."""
    order: RunOrder
    job: JobState | None

    @property
    def settled(self) -> bool:
        """Its outcome is known to people."""
        return self.told.outcome != ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What comes of a run that has ended."""

    told: RunStatus
    """With its outcome."""
    step: RetrainingStep | None
    """What has to be done before the outcome may be told; None: nothing."""
    rows: int = 0
    figures: tuple[ComparedMetric, ...] = ()


def runs_of(snapshot: Snapshot, before: RetrainingStatus) -> tuple[Run, ...]:
    """All that are remembered, the newest first."""
    jobs = {job.run: job for job in snapshot.jobs}
    known = {told.name: told for told in before.runs}
    orders = {name: _order(job) for name, job in jobs.items()}
    for name, job in jobs.items():
        order = orders[name]
        started = RunStatus(name=name, trigger=order.trigger, asked=order.asked, started=timestamp(job.created))
        known.setdefault(name, started)
    found = [Run(told, orders.get(name) or _order_of(told), jobs.get(name)) for name, told in known.items()]
    return tuple(sorted(found, key=lambda run: (run.told.started, run.told.name), reverse=True))


def remembered(runs: Iterable[RunStatus], snapshot: Snapshot) -> tuple[RunStatus, ...]:
    """Those that the status keeps: of a week, the newest whenever it was, and those that would else be judged anew."""
    jobs, week_ago = {job.run for job in snapshot.jobs}, snapshot.now - _WEEK
    kept = [
        told
        for number, told in enumerate(runs)
        if number == 0 or told.name in jobs or datetime.fromisoformat(told.started) > week_ago
    ]
    return tuple(kept[:MAX_RUNS])


def settle(snapshot: Snapshot, gate: Gate, run: Run) -> Settlement | None:
    """What comes of an unsettled run; None while it is under way."""
    ended = _end_of(snapshot, run)
    if ended is None:
        return None
    if ended.result is None:
        entry = failed_entry(snapshot, run.order, ended.reason.value, ended.message)
        step = None if _is_entered(snapshot, entry) else RetrainingStep((entry,))
        return Settlement(_told(snapshot, run, ended.reason.value, ended.message), step)
    return _judged(snapshot, gate, run, ended.result)


def _judged(snapshot: Snapshot, gate: Gate, run: Run, result: RetrainingResult) -> Settlement:
    stable = snapshot.model.status.stable
    champion = stable.revision if stable is not None else None
    verdict = judge_candidate(gate, result.comparison, champion)
    revision = snapshot.revision(run.told.name)
    if revision is not None and revision.spec.artifact.digest == result.digest and not verdict.passed:
        # an operator that is gone has judged it, and another revision serves since
        verdict = GateVerdict(Ruling.GATE_PASSED, "the candidate has become a revision")
    figures = _figures(gate, result, champion)
    entries = judged_entries(
        snapshot,
        run.order,
        result,
        passed=verdict.passed,
        outcome=verdict.ruling.value,
        message=verdict.message,
        champion=champion or "",
        figures=figures,
    )
    told = _told(snapshot, run, verdict.ruling.value, verdict.message)
    step = None if _is_entered(snapshot, *entries) else RetrainingStep(entries)
    if verdict.passed:
        told = told.model_copy(update={"revision": run.told.name})
        if revision is None:
            manifest = candidate(snapshot.model, gate, run.order, result, snapshot.trainer.author)
            step = RetrainingStep(entries if snapshot.audit is not None else (), MODEL_REVISION, manifest)
    return Settlement(told, step, result.comparison.rows, figures)


def _end_of(snapshot: Snapshot, run: Run) -> Ended | None:
    if run.job is None:
        return Ended(reason=Reason.RUN_REMOVED, message="somebody has deleted its Job or TrainJob")
    return read_end(snapshot.model.metadata.name, run.order, run.job, snapshot.trainer_pods, snapshot.now)


def _told(snapshot: Snapshot, run: Run, outcome: str, message: str) -> RunStatus:
    finished = run.job.finished if run.job is not None and run.job.finished is not None else snapshot.now
    return run.told.model_copy(
        update={"finished": timestamp(finished), "outcome": outcome, "message": message[:_TEXT_LIMIT]}
    )


def _is_entered(snapshot: Snapshot, *entries: RunEntry) -> bool:
    return snapshot.audit is None or all(entry.mark in snapshot.audit.marks for entry in entries)


def _figures(gate: Gate, result: RetrainingResult, champion: str | None) -> tuple[ComparedMetric, ...]:
    found = result.comparison
    theirs = found.champions.get(champion) if champion is not None else None
    return tuple(
        ComparedMetric(
            metric=metric.name,
            challenger=found.challenger[metric.name],
            champion=theirs.get(metric.name) if theirs is not None else None,
            baseline=found.baseline.get(metric.name) if found.baseline is not None else None,
        )
        for metric in gate.metrics
        if metric.name in found.challenger
    )


def _order(job: JobState) -> RunOrder:
    name = job.run
    found = read_order(job.child.annotations.get(names.ANNOTATION_ORDER))
    if found is not None and found.run == name:
        return found
    return RunOrder(run=name, trigger="Unknown", asked=name, why="its order cannot be read", seed=0, uri="")


def _order_of(told: RunStatus) -> RunOrder:
    """As far as the status remembers it: its Job is gone."""
    return RunOrder(run=told.name, trigger=told.trigger, asked=told.asked, why="", seed=0, uri="")
