"""Whole rollouts without a gateway: what they cost, where they end, and that a kill at any write changes neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marquee.contract.cohort import Arm
from marquee.contract.command import Action
from tests.unit.control.decide.test_ramp_histories import (
    ENDS,
    Look,
    aborted,
    broken,
    killed_anywhere,
    newcomer,
    rolled_back,
    superseded,
    undone,
)
from tests.unit.control.pods_world import PODS, ROLLOUT, PodsWorld
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour


def promoted(world: RampWorld, look: Look) -> None:
    """Start, both steps with their pods, all pods, takeover."""
    newcomer(world, 1.05)
    moments: dict[str, Callable[[], bool]] = {
        "begun": lambda: world.record is not None,
        "second step": lambda: world.record is not None and world.record.step == 1,
        "three pods": lambda: world.ready_pods("churn-2") == 3,
        "filling up": lambda: world.record is not None and world.record.filling,
        "all pods": lambda: world.ready_pods("churn-2") == PODS,
        "promoted": lambda: world.serving == "churn-2",
    }
    for what, is_so in moments.items():
        look.here()
        look.until_true(is_so, what)
    look.here()
    world.settle()


HISTORIES = {
    "promoted": promoted,
    "rolled back": rolled_back,
    "superseded": superseded,
    "aborted, tried again": aborted,
    "undone": undone,
    "broken": broken,
}


class Watch(PodsWorld):
    """Looks at every moment whether users have the pods that they had before."""

    least: int = PODS
    most: int = PODS

    def tick(self, seconds: float = 1) -> bool:
        """As ever, with a look at the Service's pods."""
        changed = super().tick(seconds)
        if "stable" in self.model.get("status", {}):
            reached = sum(self.selected().values())
            self.least, self.most = min(self.least, reached), max(self.most, reached)
        return changed


def _play(name: str, place: int | None = None, die_after: int = 0) -> tuple[Look, Watch]:
    world = Watch()
    world.add_revision("churn-1")
    world.settle()
    look = Look(world, place, die_after)
    HISTORIES[name](world, look)
    return look, world


def _end(world: Watch) -> tuple[Any, ...]:
    """Where a history has come to."""
    record = world.record
    assert record is not None
    status = world.model["status"]
    return (
        world.phase,
        world.serving,
        sorted(world.objects, key=str),
        len(world.pods),
        world.selected(),
        (record.name, record.revision, record.stable, record.step, record.result, record.reason, record.stamping),
        (status["stable"]["revision"], status["rollout"]["result"], "canary" in status),
        sorted((rollout, told.over) for rollout, told in world.told.items()),
    )


@pytest.mark.parametrize("name", HISTORIES)
def test_a_rollout_ends_where_it_should(name: str) -> None:
    """One revision answers with all its pods, nothing is left of the other, no pod stamps, and then it is quiet."""
    _, world = _play(name)
    _, phase, serving = ENDS[name]
    assert (world.phase, world.serving, world.selected()) == (phase, serving, {serving: PODS})
    assert world.deployments() == {serving}
    assert len(world.pods) == PODS
    assert all(told.over or world.books[rollout].closed for rollout, told in world.told.items())
    writes = len(world.writes)
    world.tick(3600)
    plan = world.reconcile()
    assert (plan.applies, plan.deletes, plan.follow, plan.requeue_after_seconds) == ((), (), None, None)
    assert len(world.writes) == writes


@pytest.mark.parametrize("name", sorted(set(HISTORIES) - {"broken"}))
def test_users_never_have_fewer_pods_than_before(name: str) -> None:
    """Stable keeps all of its own until the canary has as many: whenever it ends, stable can take everybody."""
    _, world = _play(name)
    assert world.least == PODS
    assert world.most <= 2 * PODS


@pytest.mark.parametrize("name", HISTORIES)
def test_an_operator_killed_at_any_write_ends_in_the_same_place(name: str) -> None:
    """At each moment that matters, after each write of the pass: the same end, by rollouts of the same names."""
    undisturbed = _end(_play(name)[1])
    for killed, world in killed_anywhere(lambda place, write: _play(name, place, write)):
        assert _end(world) == undisturbed, killed


def test_a_promotion_costs_its_writes_and_no_more() -> None:
    """A declaration, a stamp and a Service for the beginning; a stamp, a Service and a scale for each step after it."""
    world = PodsWorld()
    world.add_revision("churn-1")
    world.settle()
    world.writes.clear()
    world.add_revision("churn-2")
    world.effects["churn-2"] = 1.05
    world.set_spec(revision={"name": "churn-2"})
    world.settle()
    assert world.record is not None
    name = world.record.name
    assert [write for write in world.writes if write != "status"] == [
        "apply Deployment churn-2",
        f"declare {name}",
        f"stamp step 0 of {name}",
        "apply Service churn",
        f"stamp step 1 of {name}",
        "apply Service churn",
        "scale churn-2 to 3",
        "apply Service churn",
        "scale churn-2 to 4",
        "apply Service churn",
        f"end the stamping of {name}",
        "apply Service churn",
        "delete Deployment churn-1",
    ]


def _on_a_step(*, effect: float = 1.0, steps: list[dict[str, Any]] | None = None) -> PodsWorld:
    world = PodsWorld()
    world.add_revision("churn-1")
    world.settle()
    if steps is not None:
        world.set_spec(rollout=ROLLOUT | {"steps": steps})
    world.add_revision("churn-2")
    world.effects["churn-2"] = effect
    world.set_spec(revision={"name": "churn-2"})
    Look(world, None, 0).until("RolloutStarted")
    return world


def test_the_status_says_what_is_realised_and_what_is_lost() -> None:
    """One pod beside four is no tenth; the condition says it, and why no user is kept with an arm."""
    world = _on_a_step()
    world.tick()
    world.reconcile()
    status = world.model["status"]
    assert status["rollout"]["weight"] == 10
    assert status["rollout"]["realised"] == "20 % of connections, by 1 of 5 pods; 10 % are asked for"
    (sticky,) = [found for found in status["conditions"] if found["type"] == "StickyAssignment"]
    assert (sticky["status"], sticky["reason"]) == ("False", "ReplicaRatio")
    assert "a user may see both revisions" in sticky["message"]
    assert sticky["message"].endswith("now 20 % of connections, by 1 of 5 pods; 10 % are asked for")
    ready = status["conditions"][0]
    assert ready["message"].startswith("step 1 of 2 at 20 % of connections, by 1 of 5 pods; 10 % are asked for: ")


def test_the_condition_is_there_before_the_first_rollout_and_goes_with_the_steps() -> None:
    """Who asks for steps without a gateway hears at once what that means."""
    world = PodsWorld()
    world.add_revision("churn-1")
    world.settle()
    assert [found["type"] for found in world.model["status"]["conditions"]] == ["Ready", "StickyAssignment"]
    world.set_spec(rollout={})
    world.settle()
    assert [found["type"] for found in world.model["status"]["conditions"]] == ["Ready"]


def test_harm_closes_the_service_at_once_and_before_anything_else() -> None:
    """In the same pass, as its first write: no pod of a third revision may be reached meanwhile."""
    world = _on_a_step(effect=0.5)
    world.tick()
    world.add_revision("churn-3")
    world.writes.clear()
    Look(world, None, 0).until("HarmShown")
    assert next(write for write in world.writes if write != "status") == "apply Service churn"
    assert world.selected() == {"churn-1": PODS}


def test_another_revision_half_way_is_deployed_after_the_service_is_closed() -> None:
    """Its unproven pods would be reached otherwise, if the operator died between the two."""
    world = _on_a_step()
    world.add_revision("churn-3", Behaviour.WRONG)
    world.set_spec(revision={"name": "churn-3"})
    world.writes.clear()
    world.reconcile()
    assert world.writes[:2] == ["apply Service churn", "apply Deployment churn-3"]


def test_a_rollout_waits_for_the_pods_of_others_to_go() -> None:
    """The withdrawn revision drains; only then the Service may take in all pods of the model."""
    world = _on_a_step()
    world.set_spec(rollout=ROLLOUT | {"drainSeconds": 60})
    world.add_revision("churn-3")
    world.set_spec(revision={"name": "churn-3"})
    Look(world, None, 0).until("OthersLeaving")
    assert world.selected() == {"churn-1": PODS}
    assert world.deployments() == {"churn-1", "churn-2", "churn-3"}
    world.settle()
    assert (world.phase, world.serving, world.selected()) == ("Serving", "churn-3", {"churn-3": PODS})


def test_a_canary_without_pods_closes_the_service_until_it_has_some() -> None:
    """Stable answers everybody meanwhile, as it always could."""
    world = _on_a_step()
    world.down = {"churn-2"}
    for _ in range(3):
        world.tick()
        world.reconcile()
    assert world.selected() == {"churn-1": PODS}
    world.down = set()
    for _ in range(4):
        world.tick()
        world.reconcile()
    assert world.reached() == {"churn-1", "churn-2"}


def test_what_pods_realise_is_no_mismatch() -> None:
    """A fifth where a tenth is asked for would be one behind a gateway; here nobody has promised a tenth."""
    world = _on_a_step(effect=1.05)
    for _ in range(3):
        world.tick()
        world.reconcile()
    book = next(iter(world.books.values()))
    canary, stable = book.counts[0, Arm.CANARY][0], book.counts[0, Arm.STABLE][0]
    assert canary / (canary + stable) == pytest.approx(0.2)
    assert world.reason != "SampleRatioMismatch"
    world.settle()
    assert world.serving == "churn-2"


def test_a_step_does_not_begin_that_the_ledger_has_not_heard_of() -> None:
    """Pods would stamp the step before, at another share: the canary keeps the pods that it has."""
    world = _on_a_step()
    world.tick()
    world.reconcile()
    world.ledger_away = True
    world.say(Action.PROMOTE, step=0)
    for _ in range(4):
        world.reconcile()
        world.tick()
    assert (world.record.step if world.record else None, world.replicas("churn-2")) == (0, 1)
    world.ledger_away = False
    Look(world, None, 0).until("Scaling")
    assert world.replicas("churn-2") == 3


def test_an_abort_needs_no_ledger_and_tells_it_later() -> None:
    """Users go back at once; that pods need not stamp any more is said again until it is heard."""
    world = _on_a_step()
    world.tick()
    world.reconcile()
    world.ledger_away = True
    world.say(Action.ABORT)
    plan = world.reconcile()
    assert plan.end_stamping is not None
    assert world.selected() == {"churn-1": PODS}
    for _ in range(3):
        world.tick(15)
        world.reconcile()
    assert not any(told.over for told in world.told.values())
    world.restart_operator()
    world.ledger_away = False
    world.settle()
    assert all(told.over for told in world.told.values())
    assert world.record is not None
    assert not world.record.stamping


def test_without_an_analysis_time_decides_and_nobody_stamps() -> None:
    """Steps by duration need no ledger."""
    world = PodsWorld()
    world.add_revision("churn-1")
    world.settle()
    world.set_spec(rollout={"steps": [{"weight": 25, "minDurationSeconds": 5}, {"weight": 50}]})
    world.add_revision("churn-2")
    world.set_spec(revision={"name": "churn-2"})
    world.settle()
    assert (world.serving, world.told) == ("churn-2", {})


def test_harm_that_shows_while_the_canary_fills_up_takes_it_back() -> None:
    """The last step is passed and its pods are coming: what users do decides to the end."""
    world = _on_a_step(effect=1.05, steps=[{"weight": 10}])
    look = Look(world, None, 0)
    look.until("StepPassed")
    assert world.record is not None
    assert world.record.filling
    world.crowded, world.effects["churn-2"] = True, 0.1
    look.until("HarmShown")
    assert world.selected() == {"churn-1": PODS}
