"""The kill switch in whole histories: where users go and what is entered, also when the operator dies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from marquee.audit.events import KillSwitchTurned
from marquee.contract.command import Action
from marquee.contract.holding import ANNOTATION_KILL, Hold
from marquee.control.decide import decide
from marquee.control.kinds import DEPLOYMENT
from tests.unit.control.builders import MODEL
from tests.unit.control.logged_worlds import LoggedRampWorld
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour

RULES = f"{MODEL}-rules"


def kill(world: RampWorld, *, on: bool = True) -> None:
    """What the plugin writes."""
    text = Hold(on=on, by="anna", reason="prices are wrong", at=world.now.isoformat()).to_text()
    world.model["metadata"].setdefault("annotations", {})[ANNOTATION_KILL] = text
    world.set_spec()


def a_world(*, fallback: bool = True) -> LoggedRampWorld:
    """``churn-1`` serves, and perhaps a fallback stands by."""
    world = LoggedRampWorld()
    world.add_revision(f"{MODEL}-1")
    world.add_revision(RULES)
    if fallback:
        world.set_spec(killSwitch={"fallback": {"revision": RULES}})
    world.settle()
    return world


def canary(world: LoggedRampWorld) -> None:
    """A second revision is on its first step."""
    world.add_revision(f"{MODEL}-2")
    world.set_spec(revision={"name": f"{MODEL}-2"})
    for _ in range(40):
        if world.reason == "RolloutStarted":
            return
        world.reconcile()
        if world.reason != "RolloutStarted":
            world.tick()
    raise AssertionError(world.reason)


def promoted(world: LoggedRampWorld) -> None:
    """A second revision has taken over."""
    world.effects[f"{MODEL}-2"] = 1.05
    world.add_revision(f"{MODEL}-2")
    world.set_spec(revision={"name": f"{MODEL}-2"})
    world.settle()
    assert world.serving == f"{MODEL}-2"


def condition(world: RampWorld, kind: str) -> tuple[str, str] | None:
    """Status and reason."""
    found = [one for one in world.model["status"]["conditions"] if one["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else None


CASES: dict[str, tuple[bool, Callable[[LoggedRampWorld], None], str]] = {
    "a canary, no fallback": (False, canary, f"{MODEL}-1"),
    "a canary, a fallback": (True, canary, RULES),
    "stable is bad, no fallback": (False, promoted, f"{MODEL}-1"),
    "stable is bad, a fallback": (True, promoted, RULES),
    "nothing under way": (False, lambda _: None, f"{MODEL}-1"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("die_after", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("away", [False, True])
def test_users_go_to_the_fallback(case: str, die_after: int | None, away: bool) -> None:
    """Whatever was under way, with and without the log, and when the operator is killed at a write."""
    fallback, before, safe = CASES[case]
    world = a_world(fallback=fallback)
    before(world)
    world.log.away = away
    kill(world)
    if die_after is not None:
        world.reconcile(die_after=die_after)
        world.restart_operator()
    world.settle()
    assert world.serving == safe
    assert world.reached() == {safe}
    assert world.unentered == []
    assert condition(world, "SafeState") == ("True", "KillSwitch")
    assert condition(world, "Ready") == ("True", "KillSwitch")
    assert world.record is None or world.record.result is not None
    world.log.away = False
    world.tick(40)
    world.settle()
    turns = [one.event for one in world.log.statements if isinstance(one.event, KillSwitchTurned)]
    assert [(one.engaged, one.late, one.by) for one in turns] == [(True, away, "anna")]
    assert turns[0].halt_milliseconds is not None
    assert condition(world, "GovernanceRecorded") is None


def test_a_fallback_that_stands_by_needs_one_probe_and_one_pass() -> None:
    """Its pods are there before anybody asks: nothing has to come up."""
    world = a_world()
    assert DEPLOYMENT in {kind for kind, name in world.objects if name == RULES}
    assert condition(world, "SafeState") == ("False", "StandingBy")
    kill(world)
    for _ in range(3):
        world.reconcile()
    assert world.serving == RULES


def test_nothing_goes_on_until_it_is_lifted_and_then_by_the_steps() -> None:
    """A new revision, a promotion by a person and a pause are not looked at meanwhile."""
    world = a_world()
    promoted(world)
    kill(world)
    world.settle()
    world.add_revision(f"{MODEL}-3")
    world.set_spec(revision={"name": f"{MODEL}-3"})
    world.say(Action.PROMOTE)
    world.settle()
    assert world.serving == RULES
    assert f"{MODEL}-3" not in world.deployments()
    kill(world, on=False)
    world.reconcile()
    assert world.serving == RULES
    assert condition(world, "SafeState") == ("False", "StandingBy")
    world.effects[f"{MODEL}-3"] = 1.05
    world.settle()
    assert world.serving == f"{MODEL}-3"
    assert world.record is not None
    assert world.record.revision == f"{MODEL}-3"
    turns = [one.event.engaged for one in world.log.statements if isinstance(one.event, KillSwitchTurned)]
    assert turns == [True, False]


def test_a_canary_that_was_killed_comes_back_only_by_retry() -> None:
    """Lifting the switch is no word about the revision that it ended."""
    world = a_world(fallback=False)
    canary(world)
    kill(world)
    world.settle()
    kill(world, on=False)
    world.settle()
    assert (world.phase, world.serving) == ("RolledBack", f"{MODEL}-1")
    world.say(Action.RETRY)
    world.reconcile()
    world.tick()
    assert f"{MODEL}-2" in world.deployments()


def test_a_fallback_that_does_not_answer_gets_nobody() -> None:
    """Users stay with what answers, and the condition says why."""
    world = LoggedRampWorld()
    world.add_revision(f"{MODEL}-1")
    world.add_revision(RULES, Behaviour.WRONG)
    world.set_spec(killSwitch={"engaged": False, "fallback": {"revision": RULES}})
    world.settle()
    world.set_spec(killSwitch={"engaged": True, "fallback": {"revision": RULES}})
    for _ in range(5):
        world.reconcile()
        world.tick()
    assert world.serving == f"{MODEL}-1"
    assert condition(world, "SafeState") == ("False", "FallbackUnavailable")


def test_a_fallback_that_does_not_exist_is_named() -> None:
    """Before it is needed, and when it is."""
    world = a_world()
    world.set_spec(killSwitch={"fallback": {"revision": "churn-9"}})
    world.settle()
    assert condition(world, "SafeState") == ("False", "FallbackUnavailable")
    kill(world)
    told = decide(world.snapshot()).status.conditions
    assert "spec.killSwitch.fallback.revision: ModelRevision 'churn-9'" in told[0].message
