"""Whether to train again: each row of the table, and what holds for any facts."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.judging.drifting import DriftState
from marquee.judging.retraining import (
    Outcome,
    RetrainingDecision,
    RetrainingFacts,
    RetrainingPolicy,
    Trigger,
    decide_retraining,
    is_blocked,
    run_name,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
POLICY = RetrainingPolicy(loss_budget=0.05, cool_down=timedelta(days=3), most_a_week=2)
BROKEN, STABLE, RETRAIN, UNKNOWN = (
    DriftState.BROKEN_FEED,
    DriftState.STABLE,
    DriftState.RETRAIN,
    DriftState.INSUFFICIENT_DATA,
)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("facts", "outcome", "trigger"),
    [
        ({}, Outcome.UP_TO_DATE, None),
        ({"states": (STABLE,)}, Outcome.UP_TO_DATE, None),
        ({"states": (RETRAIN, STABLE)}, Outcome.UP_TO_DATE, None),
        ({"states": (STABLE, RETRAIN)}, Outcome.START, Trigger.DRIFT),
        ({"loss": 0.05}, Outcome.UP_TO_DATE, None),
        ({"loss": 0.051}, Outcome.START, Trigger.PERFORMANCE),
        ({"loss": math.nan}, Outcome.UP_TO_DATE, None),
        ({"concept_drift": True}, Outcome.UP_TO_DATE, None),
        ({"loss": 0.1, "states": (RETRAIN,)}, Outcome.START, Trigger.PERFORMANCE),
        ({"scheduled": ago(0.1)}, Outcome.START, Trigger.SCHEDULE),
        ({"scheduled": ago(5), "starts": (ago(4),)}, Outcome.UP_TO_DATE, None),
        ({"scheduled": ago(4), "starts": (ago(5),)}, Outcome.START, Trigger.SCHEDULE),
        ({"states": (RETRAIN,), "in_flight": True}, Outcome.IN_FLIGHT, Trigger.DRIFT),
        ({"asked": "a1", "in_flight": True}, Outcome.IN_FLIGHT, Trigger.MANUAL),
        ({"loss": 0.2, "states": (RETRAIN, BROKEN)}, Outcome.FEED_BLOCKED, Trigger.PERFORMANCE),
        ({"loss": 0.2, "states": (BROKEN, UNKNOWN)}, Outcome.FEED_BLOCKED, Trigger.PERFORMANCE),
        ({"loss": 0.2, "states": (BROKEN, STABLE)}, Outcome.START, Trigger.PERFORMANCE),
        ({"asked": "a1", "states": (BROKEN,)}, Outcome.START, Trigger.MANUAL),
        ({"states": (RETRAIN,), "starts": (ago(2.9),)}, Outcome.COOLING_DOWN, Trigger.DRIFT),
        ({"states": (RETRAIN,), "starts": (ago(3),)}, Outcome.START, Trigger.DRIFT),
        ({"asked": "a1", "starts": (ago(0.1),)}, Outcome.START, Trigger.MANUAL),
        ({"states": (RETRAIN,), "starts": (ago(6.9), ago(3.5))}, Outcome.BUDGET_USED, Trigger.DRIFT),
        ({"asked": "a1", "starts": (ago(6.9), ago(3.5))}, Outcome.BUDGET_USED, Trigger.MANUAL),
        ({"states": (RETRAIN,), "starts": (ago(7), ago(3.5))}, Outcome.START, Trigger.DRIFT),
    ],
)
def test_each_row(facts: dict[str, Any], outcome: Outcome, trigger: Trigger | None) -> None:
    """What asks, and what follows."""
    decision = decide_retraining(RetrainingFacts(NOW, **facts), POLICY)
    assert (decision.outcome, decision.trigger) == (outcome, trigger)


def test_concept_drift_asks_where_it_may() -> None:
    """Beside a loss, which need not be known."""
    facts = RetrainingFacts(NOW, concept_drift=True)
    asks = RetrainingPolicy(by_concept_drift=True)
    assert decide_retraining(facts, asks).trigger is Trigger.PERFORMANCE
    assert decide_retraining(RetrainingFacts(NOW), asks).trigger is None


def test_time_alone_is_told() -> None:
    """When the cool-down is over, or the oldest run of the week is a week old."""
    cooling = decide_retraining(RetrainingFacts(NOW, states=(RETRAIN,), starts=(ago(1),)), POLICY)
    assert cooling.until == ago(1) + timedelta(days=3)
    used = decide_retraining(RetrainingFacts(NOW, asked="a", starts=(ago(1), ago(6), ago(5))), POLICY)
    assert used.until == ago(5) + timedelta(days=7)
    assert decide_retraining(RetrainingFacts(NOW), POLICY) == RetrainingDecision(Outcome.UP_TO_DATE)


def test_without_permission_nothing_asks() -> None:
    """No budget for a loss, no drift; and with none a week, not even a person."""
    facts = RetrainingFacts(NOW, states=(RETRAIN,), loss=9.0)
    assert decide_retraining(facts, RetrainingPolicy(by_drift=False)).outcome is Outcome.UP_TO_DATE
    never = RetrainingPolicy(most_a_week=0)
    assert decide_retraining(RetrainingFacts(NOW, asked="a"), never).outcome is Outcome.BUDGET_USED
    with pytest.raises(ValueError, match="at least 0"):
        RetrainingPolicy(most_a_week=-1)


STATES = st.lists(st.sampled_from(DriftState), max_size=6).map(tuple)
STARTS = st.lists(st.floats(0, 20), max_size=5).map(lambda days: tuple(map(ago, days)))
FACTS = st.builds(
    RetrainingFacts,
    now=st.just(NOW),
    states=STATES,
    loss=st.none() | st.floats(),
    scheduled=st.none() | st.floats(0, 20).map(ago),
    asked=st.sampled_from(["", "a1"]),
    in_flight=st.booleans(),
    starts=STARTS,
)


@given(FACTS, st.integers(0, 3), st.floats(0, 7))
def test_a_start_is_within_every_bound(facts: RetrainingFacts, most: int, days: float) -> None:
    """Never beside another run, beyond the budget, before the cool-down or on a broken feed, but for a person."""
    policy = RetrainingPolicy(loss_budget=0.05, cool_down=timedelta(days=days), most_a_week=most)
    decision = decide_retraining(facts, policy)
    if decision.outcome is not Outcome.START:
        return
    assert not facts.in_flight
    assert sum(start > NOW - timedelta(days=7) for start in facts.starts) < most
    if decision.trigger is not Trigger.MANUAL:
        assert not is_blocked(facts.states)
        assert all(start + policy.cool_down <= NOW for start in facts.starts)


@given(FACTS, st.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(facts: RetrainingFacts, draw: random.Random) -> None:
    """A cache may list them in any."""
    starts = list(facts.starts)
    draw.shuffle(starts)
    shuffled = RetrainingFacts(
        NOW, facts.states, facts.loss, facts.scheduled, facts.asked, facts.in_flight, tuple(starts)
    )
    assert decide_retraining(shuffled, POLICY) == decide_retraining(facts, POLICY)


@given(STATES)
def test_a_block_lasts_until_good_data(states: tuple[DriftState, ...]) -> None:
    """What is not known lifts nothing."""
    blocked = is_blocked(states)
    assert is_blocked((*states, UNKNOWN)) == is_blocked((*states, DriftState.NO_PROFILE)) == blocked
    assert is_blocked((*states, BROKEN))
    assert not is_blocked((*states, STABLE))


def test_a_run_is_named_after_all_that_it_answers() -> None:
    """The same trigger gives the same name, anything else another; and it fits a Job."""
    given_ = {"data_window": "20000-20033", "code_digest": "sha256:1", "trigger": "Drift/lead-v1/20033"}
    name = run_name("growth/lead", **given_)
    assert name == run_name("growth/lead", **given_)
    assert name.startswith("lead-")
    others = [run_name("growth/lead", **given_ | {key: "other"}) for key in given_]
    assert len({name, *others, run_name("crm/lead", **given_)}) == 5
    assert len(run_name("growth/" + "m" * 50, **given_)) <= 63
