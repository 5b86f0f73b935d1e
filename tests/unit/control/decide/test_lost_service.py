"""Somebody deletes the model's Service in the middle of a rollout: what it remembered is gone, and nothing repeats."""

from __future__ import annotations

import pytest

from marquee.control.kinds import SERVICE
from tests.unit.control.builders import MODEL
from tests.unit.control.pods_world import PodsWorld
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour

STEPS = [{"weight": 10}, {"weight": 40, "minDurationSeconds": 3}]
WORLDS = [RampWorld, PodsWorld]


def half_way(world: RampWorld) -> str:
    """A second revision's rollout, on its last step; its name."""
    world.add_revision(f"{MODEL}-1", Behaviour.GOOD)
    world.set_spec(revision={"name": f"{MODEL}-1"}, rollout={"steps": STEPS})
    world.settle()
    world.add_revision(f"{MODEL}-2", Behaviour.GOOD)
    world.effects[f"{MODEL}-2"] = 1.0
    world.set_spec(revision={"name": f"{MODEL}-2"})
    for _ in range(20):
        world.reconcile()
        world.tick()
        if world.record is not None and world.record.step == 1:
            return world.record.name
    raise AssertionError(f"no second step: {world.reason}")


@pytest.mark.parametrize("make", WORLDS)
def test_another_rollout_begins(make: type[RampWorld]) -> None:
    """Of another name, from the first step, however many passes lie between; and it ends as any does."""
    world = make()
    name = half_way(world)
    world.remove(SERVICE, MODEL)
    for _ in range(20):
        world.reconcile()
        world.tick()
        if world.record is not None:
            break
    assert world.record is not None
    assert (world.record.name != name, world.record.step) == (True, 0)
    world.settle()
    assert (world.phase, world.serving) == ("Serving", f"{MODEL}-2")


@pytest.mark.parametrize("make", WORLDS)
def test_the_status_says_what_became_of_it(make: type[RampWorld]) -> None:
    """Until another one begins; its name is what the next one's follows from."""
    world = make()
    name = half_way(world)
    world.remove(SERVICE, MODEL)
    world.down = {f"{MODEL}-2"}
    world.tick()
    for _ in range(3):
        world.reconcile()
        told = world.model["status"]["rollout"]
        assert (told["name"], told["result"], told["weight"]) == (name, "Aborted", 0)
        assert "Service was removed" in told["message"]
