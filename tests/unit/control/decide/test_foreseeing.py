"""Plans that cannot conclude: said once the traffic is known, once in a rollout, and of no step that is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.rollout_status import SeenTraffic
from marquee.control.decide import decide
from marquee.control.decide.foreseeing import ENOUGH_OUTCOMES, planned_steps, shortfall_of
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import a_model
from tests.unit.control.ramps import ANALYSIS, NOT_READ, Ramp, counted, ramp, reading

HOUR = 3_600
SHORT = [{"weight": 10, "maxDurationSeconds": HOUR}, {"weight": 50}]
BUSY = SeenTraffic(exposures_per_hour=120_000, outcomes_per_million=40_000)
MEAN = {"primary": {"outcome": "revenue", "kind": "Mean", "values": {"cap": 200, "deviation": 50}}}
WARNING = "step 1 at 10 % needs about 9.7 h at today's traffic to show that a version no worse than stable is within"


def _shortfall(seen: SeenTraffic | None, *, step: int = 0, **rollout: Any) -> str:
    blocks = {"steps": SHORT, "analysis": ANALYSIS} | rollout
    model = a_model(revision={"name": "churn-1"}, traffic={"gateway": {"name": "web"}}, rollout=blocks)
    return shortfall_of(model.spec, seen, step=step)


def test_nobody_is_warned_of_what_nobody_knows() -> None:
    """Without traffic, for a mean, and for steps that have all the time in the world."""
    assert _shortfall(None) == ""
    assert _shortfall(BUSY, analysis=MEAN) == ""
    assert _shortfall(BUSY, steps=[{"weight": 1}]) == ""


def test_a_step_that_is_too_short_is_named_until_it_is_over() -> None:
    """What is behind needs no warning."""
    assert _shortfall(BUSY).startswith(WARNING)
    assert _shortfall(BUSY, step=1) == ""


def test_without_traffic_at_all_no_bounded_step_concludes() -> None:
    """An idle model is told so rather than left to its maxDuration."""
    idle = SeenTraffic(exposures_per_hour=0, outcomes_per_million=40_000)
    assert "needs for ever at today's traffic" in _shortfall(idle)


def test_pods_have_the_share_that_they_come_to() -> None:
    """One beside four is a fifth, for the plan too."""
    blocks = {"steps": [{"weight": 10}, {"weight": 50}], "analysis": ANALYSIS}
    model = a_model(revision={"name": "churn-1"}, scaling={"class": "None", "minReplicas": 4}, rollout=blocks)
    assert [step.weight for step in planned_steps(model.spec)] == [20, 50]
    assert [step.weight for step in planned_steps(model.spec, 9)] == [10, 50]


def _on_first_step(stable_outcomes: int, status: MarketingModelStatus | None = None) -> Snapshot:
    counts = counted(0, (6_000, stable_outcomes // 9), (54_000, stable_outcomes))
    observed = ramp(record=Ramp(seconds_ago=1_800), ledger=reading(*counts), steps=SHORT)
    return observed if status is None else replace(observed, model=observed.model.model_copy(update={"status": status}))


def _warnings(observed: Snapshot) -> list[str]:
    return [notice.note for notice in decide(observed).notices if notice.reason.value == "PlanInconclusive"]


def test_the_warning_comes_when_the_traffic_is_known_and_once() -> None:
    """In the status as long as it holds, as an event the first time; also when the numbers have moved on."""
    assert _warnings(_on_first_step(ENOUGH_OUTCOMES - 1)) == []
    observed = _on_first_step(2_160)
    (warning,) = _warnings(observed)
    assert warning.startswith(WARNING)
    status = decide(observed).status
    assert status.rollout is not None
    assert (status.rollout.shortfall, status.rollout.traffic) == (warning, BUSY)
    later = _on_first_step(2_240, status)
    assert _warnings(later) == []
    told = decide(later).status.rollout
    assert told is not None
    assert told.shortfall not in {"", warning}


def test_the_rollout_before_tells_of_the_traffic_of_the_next() -> None:
    """So the warning comes with the beginning, before anybody has been counted."""
    before = decide(_on_first_step(2_160)).status
    assert before.rollout is not None
    former = before.model_copy(update={"rollout": before.rollout.model_copy(update={"name": "churn-1-0"})})
    observed = ramp(ledger=NOT_READ, steps=SHORT)
    observed = replace(observed, model=observed.model.model_copy(update={"status": former}))
    plan = decide(observed)
    assert plan.declare is not None
    assert plan.status.rollout is not None
    assert plan.status.rollout.traffic == BUSY
    (warning,) = _warnings(observed)
    assert warning.startswith(WARNING)


@pytest.mark.parametrize("stable_outcomes", [0, ENOUGH_OUTCOMES - 1])
def test_what_few_outcomes_say_is_not_told(stable_outcomes: int) -> None:
    """A rate from a handful is no forecast."""
    told = decide(_on_first_step(stable_outcomes)).status.rollout
    assert told is not None
    assert (told.traffic, told.shortfall) == (None, "")
