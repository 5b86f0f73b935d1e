"""What asks for a training now, and what the run that answers it is told. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from marquee.api.retraining import PerformanceTrigger, Retraining, RetrainingStatus, RunStatus
from marquee.api.types import timestamp
from marquee.contract.asking import ANNOTATION_RETRAIN
from marquee.control.decide.diagnosing import bounded
from marquee.control.render.retraining import RunOrder, code_digest, use_case_name
from marquee.control.snapshot import Snapshot
from marquee.judging.drifting import DriftState, DriftVerdict
from marquee.judging.performing import PerformanceState
from marquee.judging.retraining import RetrainingFacts, RetrainingPolicy, Trigger, run_name
from marquee.judging.scheduling import Schedule, newest_moment

_ID_LIMIT: Final = 64
_WHY_LIMIT: Final = 300
_MAX_SPANS: Final = 100
_SEED_DIGITS: Final = 8
_HASH_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What the decision is made from, and what tells each trigger from others of its kind."""

    facts: RetrainingFacts
    policy: RetrainingPolicy
    keys: dict[Trigger, str]
    verdict: DriftVerdict | None = None


def asked(
    snapshot: Snapshot,
    spec: Retraining,
    before: RetrainingStatus,
    runs: Collection[RunStatus],
    schedules: tuple[Schedule, ...],
    *,
    in_flight: bool,
) -> Asked:
    """The facts; what a run has answered already asks for nothing, whatever came of that run."""
    answered = {f"{run.trigger}/{run.asked}" for run in runs} | {f"{Trigger.MANUAL}/{before.answered}"}
    verdict, keys = _verdict(snapshot), dict[Trigger, str]()
    asks = _manual_id(snapshot)
    scheduled = newest_moment(schedules, snapshot.now, datetime.fromisoformat(before.since))
    if verdict is not None and verdict.window is not None and snapshot.drift is not None:
        window = f"{snapshot.drift.revision}/{verdict.window.start}"
        keys |= {Trigger.DRIFT: window, Trigger.PERFORMANCE: window}
    keys |= {Trigger.MANUAL: asks} | ({Trigger.SCHEDULE: timestamp(scheduled)} if scheduled is not None else {})
    new = {trigger for trigger, key in keys.items() if f"{trigger}/{key}" not in answered}
    triggers = spec.triggers
    performance = triggers.performance if Trigger.PERFORMANCE in new else None
    return Asked(
        RetrainingFacts(
            now=snapshot.now,
            states=states_of(snapshot, before),
            loss=_loss(verdict),
            concept_drift=_concept_drift(verdict),
            scheduled=scheduled if Trigger.SCHEDULE in new and not _is_unread(snapshot) else None,
            asked=asks if Trigger.MANUAL in new else "",
            in_flight=in_flight,
            starts=tuple(datetime.fromisoformat(run.started) for run in runs),
        ),
        RetrainingPolicy(
            loss_budget=performance.loss_budget if performance is not None else None,
            by_concept_drift=performance is not None and performance.concept_drift,
            by_drift=triggers.drift and Trigger.DRIFT in new,
            cool_down=timedelta(hours=spec.cool_down_hours),
            most_a_week=spec.max_per_week,
        ),
        keys,
        verdict,
    )


def states_of(snapshot: Snapshot, before: RetrainingStatus) -> tuple[DriftState, ...]:
    """Of the windows that are looked at, the newest last; a broken one before them is not forgotten."""
    verdict = _verdict(snapshot)
    earlier = (DriftState.BROKEN_FEED,) if before.feed_blocked else ()
    return earlier + (tuple(DriftState(one.tier) for one in verdict.assessments) if verdict is not None else ())


def order_of(
    snapshot: Snapshot, spec: Retraining, found: Asked, trigger: Trigger, champions: tuple[str, ...]
) -> RunOrder:
    """What a run is told. The same trigger gives the same order, but for a person's, whose window ends on the hour."""
    end = _window_end(snapshot, found, trigger) if spec.data.window_days is not None else None
    start = end - timedelta(days=spec.data.window_days) if end is not None and spec.data.window_days else None
    metadata = snapshot.model.metadata
    key = f"{trigger}/{found.keys[trigger]}"
    name = run_name(
        f"{metadata.namespace}/{metadata.name}",
        data_window=f"{start}/{end}",
        code_digest=code_digest(spec, snapshot.trainer, use_case_name(snapshot.model)),
        trigger=f"{metadata.uid}/{key}",
    )
    return RunOrder(
        run=name,
        trigger=trigger.value,
        asked=found.keys[trigger],
        why=bounded(_why(found, spec, trigger), _WHY_LIMIT),
        seed=int(name[-_HASH_DIGITS:][:_SEED_DIGITS], 16),
        uri=f"{spec.artifacts.uri.rstrip('/')}/{name}",
        window_start=start,
        window_end=end,
        excluded=_excluded(snapshot, found.verdict, start, end),
        champions=champions,
    )


def _verdict(snapshot: Snapshot) -> DriftVerdict | None:
    """On the revision that serves; what was said of another one asks for nothing."""
    stable, reading = snapshot.model.status.stable, snapshot.drift
    if snapshot.model.spec.drift is None or reading is None or stable is None or reading.revision != stable.revision:
        return None
    return reading.verdict


def _is_unread(snapshot: Snapshot) -> bool:
    """The windows are about to be known, and may show a broken feed: a schedule waits for them."""
    watched = snapshot.model.spec.drift is not None and snapshot.ledger is not None
    return watched and snapshot.drift is None and snapshot.model.status.stable is not None


def _manual_id(snapshot: Snapshot) -> str:
    text = snapshot.model.metadata.annotations.get(ANNOTATION_RETRAIN, "")
    return "".join(one for one in text if one.isprintable()).strip()[:_ID_LIMIT]


def _window_end(snapshot: Snapshot, found: Asked, trigger: Trigger) -> datetime:
    verdict, drift = found.verdict, snapshot.model.spec.drift
    if trigger in {Trigger.DRIFT, Trigger.PERFORMANCE} and drift is not None and verdict is not None:
        assert verdict.started is not None  # noqa: S101 - what asks has a window
        return verdict.started + timedelta(seconds=drift.window_seconds)
    if trigger is Trigger.SCHEDULE and found.facts.scheduled is not None:
        return found.facts.scheduled
    return snapshot.now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _why(found: Asked, spec: Retraining, trigger: Trigger) -> str:
    match trigger:
        case Trigger.MANUAL:
            return f"a person has asked for it ({found.keys[trigger]})"
        case Trigger.SCHEDULE:
            return f"its time was {found.keys[trigger]}"
        case Trigger.PERFORMANCE if spec.triggers.performance is not None:
            return _why_performance(found, spec.triggers.performance)
    return found.verdict.message if found.verdict is not None else ""


def _why_performance(found: Asked, trigger: PerformanceTrigger) -> str:
    measured = found.verdict.performance if found.verdict is not None else None
    loss, budget = found.facts.loss, trigger.loss_budget
    if loss is None or not loss > budget:
        return measured.message if measured is not None else ""
    kind = "measured" if measured is not None and measured.loss == loss else "estimated"
    return f"{loss:.1%} of the {kind} AUC is lost, and {budget:.1%} is borne"


def _loss(verdict: DriftVerdict | None) -> float | None:
    """The larger of what is estimated and what is measured."""
    measured = verdict.performance.loss if verdict is not None and verdict.performance is not None else None
    losses = (verdict.estimated_loss if verdict is not None else None, measured)
    return max((loss for loss in losses if loss is not None), default=None)


def _concept_drift(verdict: DriftVerdict | None) -> bool:
    performance = verdict.performance if verdict is not None else None
    return performance is not None and performance.state is PerformanceState.CONCEPT_DRIFT


def _excluded(
    snapshot: Snapshot, verdict: DriftVerdict | None, start: datetime | None, end: datetime | None
) -> tuple[tuple[datetime, datetime], ...]:
    """Times of a broken feed within the data window, if there is one, as few spans as say it."""
    drift = snapshot.model.spec.drift
    if verdict is None or drift is None:
        return ()
    spans: list[tuple[datetime, datetime]] = []
    for window, assessment in zip(verdict.windows, verdict.assessments, strict=True):
        began = datetime.fromtimestamp(window.start * drift.window_seconds, UTC)
        ended = began + timedelta(seconds=drift.window_seconds)
        span = max(began, start or began), min(ended, end or ended)
        if DriftState(assessment.tier) is not DriftState.BROKEN_FEED or span[0] >= span[1]:
            continue
        if spans and spans[-1][1] == span[0]:
            spans[-1] = spans[-1][0], span[1]
        else:
            spans.append(span)
    return tuple(spans[-_MAX_SPANS:])


def next_allowed(policy: RetrainingPolicy, facts: RetrainingFacts) -> datetime | None:
    """When the next run that nobody asks for may start, by what has started; None: at any time."""
    if not facts.starts:
        return None
    free = max(facts.starts) + policy.cool_down
    week = sorted(facts.starts)[-policy.most_a_week :]
    return max(free, week[0] + timedelta(days=7)) if len(week) == policy.most_a_week else free
