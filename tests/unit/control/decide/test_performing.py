"""Realised performance in the decision: a condition, a status and an event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marquee.api.conditions import Condition, ConditionType, Reason
from marquee.api.drift import DriftStatus
from marquee.api.performance import PerformanceStatus
from marquee.api.types import timestamp
from marquee.control.decide import decide
from marquee.control.decide.plan import Plan
from marquee.control.snapshot import DriftReading, Snapshot
from marquee.evidence.drift.gaps import GapTier, Judged
from marquee.evidence.drift.realising import Matured, realised
from marquee.judging.drifting import DriftState, DriftVerdict
from marquee.judging.performing import PerformanceState, PerformanceVerdict
from tests.support.performance import OUTCOME, watched
from tests.unit.control.builders import NOW, READY, snapshot
from tests.unit.control.ramps import NOT_READ

BEGAN = NOW - timedelta(days=9)


def verdict(state: PerformanceState) -> PerformanceVerdict:
    window = realised(Matured(1, (100, 100), (20, 85)), (0.2, 0.8))
    return PerformanceVerdict(state, "in words", OUTCOME, (Judged(window, GapTier.STABLE),), BEGAN, 0.01)


def seen(
    state: PerformanceState | None = None,
    *,
    failure: str = "",
    before: str = "",
    asks: bool = True,
    outcome: str = OUTCOME,
) -> Snapshot:
    """A model that serves churn-1; ``state`` is what its outcomes say."""
    found = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
    drift = watched(outcome=outcome) if asks else watched().model_copy(update={"performance": None})
    known = PerformanceStatus(verdict=before, outcome=OUTCOME) if before else None
    status = DriftStatus(revision="churn-1", verdict="Stable", performance=known)
    model = found.model.model_copy(
        update={
            "spec": found.model.spec.model_copy(update={"drift": drift}),
            "status": found.model.status.model_copy(update={"drift": status}),
        }
    )
    reading = None
    if state is not None or failure:
        told = DriftVerdict(DriftState.STABLE, "", performance=verdict(state) if state is not None else None)
        reading = DriftReading("churn-1", told if state is not None else None, failure)
    return replace(found, model=model, ledger=NOT_READ, drift=reading)


def conditions(plan: Plan) -> list[Condition]:
    return [one for one in plan.status.conditions if one.type == ConditionType.PERFORMANCE_WITHIN_BOUNDS]


def told(plan: Plan) -> PerformanceStatus | None:
    return plan.status.drift.performance if plan.status.drift is not None else None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (PerformanceState.STABLE, "True"),
        (PerformanceState.CONCEPT_DRIFT, "False"),
        (PerformanceState.STALE, "False"),
        (PerformanceState.INSUFFICIENT_DATA, "Unknown"),
    ],
)
def test_each_state_is_a_condition(state: PerformanceState, status: str) -> None:
    """With the figures of the last measured window in the status."""
    plan = decide(seen(state))
    (found,) = conditions(plan)
    assert (found.status, found.reason, found.message) == (status, state.value, "in words")
    assert told(plan) == PerformanceStatus(
        verdict=state.value,
        outcome=OUTCOME,
        message="in words",
        window=timestamp(BEGAN),
        rows=200,
        outcomes=105,
        promised_auc=0.8,
        realised_auc=0.8258,
        realised_brier=0.145,
        calibration_error=0.025,
        calibration_gap=0.05,
        loss=0.01,
    )


def test_without_the_block_there_is_nothing() -> None:
    """No condition, no status, no event."""
    plan = decide(seen(PerformanceState.CONCEPT_DRIFT, asks=False))
    assert (conditions(plan), told(plan), plan.notices) == ([], None, ())


@pytest.mark.parametrize(
    ("before", "state", "events"),
    [
        ("", PerformanceState.CONCEPT_DRIFT, [(True, Reason.CONCEPT_DRIFT)]),
        ("ConceptDrift", PerformanceState.CONCEPT_DRIFT, []),
        ("ConceptDrift", PerformanceState.STALE, [(True, Reason.STALE)]),
        ("Stale", PerformanceState.STABLE, [(False, Reason.STABLE)]),
        ("InsufficientData", PerformanceState.STABLE, []),
        ("Stable", PerformanceState.INSUFFICIENT_DATA, []),
    ],
)
def test_an_event_tells_each_change_once(
    before: str, state: PerformanceState, events: list[tuple[bool, Reason]]
) -> None:
    """A warning for what is bad, and a word when it is over."""
    notices = decide(seen(state, before=before)).notices
    assert [(notice.warning, notice.reason) for notice in notices] == events


def test_what_is_known_stays_while_the_ledger_is_away() -> None:
    """Nobody knows how it is now."""
    plan = decide(seen(failure="no answer", before="ConceptDrift"))
    (found,) = conditions(plan)
    assert (found.status, found.reason) == ("Unknown", "LedgerUnavailable")
    assert told(plan) == PerformanceStatus(verdict="ConceptDrift", outcome=OUTCOME)
    (without,) = conditions(decide(replace(seen(), ledger=None)))
    assert "MARQUEE_OPERATOR_LEDGER_URL" in without.message


def test_what_was_measured_by_another_outcome_is_not_kept() -> None:
    """It begins with nothing."""
    plan = decide(seen(before="ConceptDrift", outcome="renewal"))
    assert (told(plan), conditions(plan)[0].reason) == (None, "InsufficientData")


def test_serving_is_never_touched() -> None:
    """Whatever is found, the same writes as without."""
    without: Any = decide(seen())
    for state in PerformanceState:
        plan = decide(seen(state))
        assert (plan.applies, plan.scales, plan.deletes) == (without.applies, without.scales, without.deletes)
