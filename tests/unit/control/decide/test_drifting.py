"""Drift in the decision: a condition, a status and an event; and no change of anything that serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marquee.api.conditions import Condition, ConditionType, Reason
from marquee.api.drift import Drift, DriftStatus, DriftSuspect
from marquee.api.types import timestamp
from marquee.control.decide import decide
from marquee.control.decide.plan import DriftQuestion, Plan
from marquee.control.snapshot import DriftReading, Snapshot
from marquee.evidence.drift.counting import Window
from marquee.judging.drifting import DriftState, DriftVerdict
from tests.unit.control.builders import EARLIER, NOW, READY, snapshot
from tests.unit.control.ramps import NOT_READ

SUSPECT = DriftSuspect(feature="age", stability_index=0.21, p_value=1e-9)


def verdict(state: DriftState, message: str = "in words") -> DriftVerdict:
    return DriftVerdict(state, message, Window(1, "Mon", {}, 7), NOW - timedelta(days=1), (SUSPECT,))


def watched(
    state: DriftState | None = None, *, failure: str = "", before: DriftStatus | None = None, **changes: Any
) -> Snapshot:
    """A model that serves churn-1 and asks for drift; ``state`` is what the ledger's windows say."""
    found = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
    spec = found.model.spec.model_copy(update={"drift": Drift()})
    status = found.model.status.model_copy(update={"drift": before})
    reading = None
    if state is not None or failure:
        reading = DriftReading("churn-1", verdict(state) if state is not None else None, failure)
    return replace(
        found,
        model=found.model.model_copy(update={"spec": spec, "status": status}),
        ledger=NOT_READ,
        drift=reading,
        **changes,
    )


def condition(plan: Plan) -> Condition:
    (found,) = [one for one in plan.status.conditions if one.type == ConditionType.DRIFT_WITHIN_BOUNDS]
    return found


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (DriftState.STABLE, "True"),
        (DriftState.INVESTIGATE, "False"),
        (DriftState.RETRAIN, "False"),
        (DriftState.BROKEN_FEED, "False"),
        (DriftState.INSUFFICIENT_DATA, "Unknown"),
        (DriftState.NO_PROFILE, "Unknown"),
    ],
)
def test_each_state_is_a_condition(state: DriftState, status: str) -> None:
    """What is not known is neither within bounds nor out of them."""
    plan = decide(watched(state))
    found = condition(plan)
    assert (found.status, found.reason, found.message) == (status, state.value, "in words")
    assert plan.status.drift == DriftStatus(
        revision="churn-1",
        verdict=state.value,
        window=timestamp(NOW - timedelta(days=1)),
        rows=7,
        message="in words",
        suspects=(SUSPECT,),
    )


def test_without_the_block_there_is_nothing() -> None:
    """No condition, no status, no question to the ledger."""
    plan = decide(snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}))
    assert all(one.type != ConditionType.DRIFT_WITHIN_BOUNDS for one in plan.status.conditions)
    assert plan.status.drift is None
    assert plan.follow_drift is None


def test_the_serving_revisions_windows_are_asked_for() -> None:
    """With what the spec says of them."""
    assert decide(watched()).follow_drift == DriftQuestion("churn-1", Drift())


@pytest.mark.parametrize("state", [None, *DriftState])
def test_serving_is_never_touched(state: DriftState | None) -> None:
    """Whatever is found, the same writes as without."""
    without = decide(watched())
    plan = decide(watched(state))
    assert (plan.applies, plan.scales, plan.deletes, plan.probe) == (
        without.applies,
        without.scales,
        without.deletes,
        without.probe,
    )
    assert plan.status.phase is without.status.phase
    assert plan.requeue_after_seconds == without.requeue_after_seconds


def known(verdict_: str, revision: str = "churn-1") -> DriftStatus:
    return DriftStatus(revision=revision, verdict=verdict_)


@pytest.mark.parametrize(
    ("before", "state", "events"),
    [
        (None, DriftState.INVESTIGATE, [(True, Reason.INVESTIGATE)]),
        (known("Investigate"), DriftState.INVESTIGATE, []),
        (known("Investigate", "churn-0"), DriftState.INVESTIGATE, [(True, Reason.INVESTIGATE)]),
        (known("Investigate"), DriftState.RETRAIN, [(True, Reason.RETRAIN)]),
        (known("Retrain"), DriftState.BROKEN_FEED, [(True, Reason.BROKEN_FEED)]),
        (known("BrokenFeed"), DriftState.STABLE, [(False, Reason.STABLE)]),
        (known("Stable"), DriftState.INSUFFICIENT_DATA, []),
        (known("InsufficientData"), DriftState.STABLE, []),
        (None, DriftState.STABLE, []),
        (None, DriftState.NO_PROFILE, [(True, Reason.NO_PROFILE)]),
    ],
)
def test_an_event_tells_each_change_once(
    before: DriftStatus | None, state: DriftState, events: list[tuple[bool, Reason]]
) -> None:
    """A warning for what is bad, and a word when it is over; none for what was said before."""
    notices = decide(watched(state, before=before)).notices
    assert [(notice.warning, notice.reason) for notice in notices] == events


def with_condition(found: Snapshot, reason: str, status: str = "False") -> Snapshot:
    old = Condition(
        type="DriftWithinBounds",
        status=status,
        reason=reason,
        message="as it was",
        last_transition_time=EARLIER,
        observed_generation=1,
    )
    model = found.model
    conditions = (*model.status.conditions, old)
    return replace(
        found, model=model.model_copy(update={"status": model.status.model_copy(update={"conditions": conditions})})
    )


def test_an_operator_that_has_just_started_keeps_what_is_known() -> None:
    """Nothing flaps while the ledger was not asked yet."""
    found = decide(with_condition(watched(before=known("Retrain")), "Retrain"))
    assert (condition(found).status, condition(found).reason, condition(found).message) == (
        "False",
        "Retrain",
        "as it was",
    )
    assert found.status.drift == known("Retrain")
    assert found.notices == ()


@pytest.mark.parametrize("reason", ["Retrain", "SaidByANewerOperator"])
def test_what_is_known_of_another_revision_is_not_kept(reason: str) -> None:
    """A new stable revision begins with nothing."""
    before = known("Retrain", "churn-0") if reason == "Retrain" else known("Retrain")
    found = condition(decide(with_condition(watched(before=before), reason)))
    assert (found.status, found.reason) == ("Unknown", "InsufficientData")


def test_a_ledger_that_is_away_is_said_and_the_verdict_stays_in_the_status() -> None:
    """Nobody knows how it is now; what blocks a retraining goes on blocking it."""
    plan = decide(watched(failure="drift can't be judged: no answer", before=known("BrokenFeed")))
    assert (condition(plan).status, condition(plan).reason) == ("Unknown", "LedgerUnavailable")
    assert plan.status.drift == known("BrokenFeed")
    assert plan.notices == ()


def test_without_a_ledger_the_condition_says_what_to_do() -> None:
    """Nothing is counted anywhere."""
    plan = decide(replace(watched(), ledger=None))
    assert condition(plan).reason == "LedgerUnavailable"
    assert "MARQUEE_OPERATOR_LEDGER_URL" in condition(plan).message


def test_a_reading_of_another_revision_counts_for_nothing() -> None:
    """The follower may be a moment behind a promotion."""
    found = watched()
    old = DriftReading("churn-0", verdict(DriftState.RETRAIN))
    assert condition(decide(replace(found, drift=old))).reason == "InsufficientData"
