"""The operator is killed at each of its writes, before or after the API server has done it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.crash.runs import Bench, Moment, Outcome, Scenario, Strike
from tests.crash.world import World, differences
from tests.support import samples

SCALED = {"class": "HPA", "minReplicas": 2, "maxReplicas": 4}


def strikes_at(writes: int) -> list[Strike]:
    """Before and after each write, and one more than an undisturbed run has: a restarted one may need it."""
    return [Strike(number, moment) for number in range(1, writes + 1) for moment in Moment]


async def create(world: World) -> None:
    await world.create(samples.revision("lead-v1", of="lead", uri="s3://models/lead-v1"))
    await world.create(samples.model("lead", revision="lead-v1", scaling=SCALED, rollout={"drainSeconds": 0}))


async def update(world: World) -> None:
    await world.create(samples.revision("lead-v2", of="lead", uri="s3://models/lead-v2", digest="sha256:" + "2" * 64))
    await world.change_model("lead", {"revision": {"name": "lead-v2"}})


async def change_in_place(world: World) -> None:
    scaling = {"class": "None", "minReplicas": 1, "maxReplicas": None}
    await world.change_model("lead", {"serving": {"resources": {"limits": {"memory": "1Gi"}}}, "scaling": scaling})


CREATE = Scenario(create, lambda world: world.settles("lead-v1", pods=2))
UPDATE = Scenario(update, lambda world: world.settles("lead-v2", pods=2))
CHANGE = Scenario(change_in_place, lambda world: world.settles("lead-v1", pods=1))


async def empty_worlds(bench: Bench, count: int) -> list[World]:
    return list(await asyncio.gather(*(bench.world() for _ in range(count))))


async def serving_worlds(bench: Bench, count: int) -> list[World]:
    """Worlds in which lead-v1 serves, brought there by one operator that is gone afterwards."""
    worlds = await empty_worlds(bench, count)
    operator = bench.operator(bench.cluster.plane.kubeconfig)
    await asyncio.gather(*(create(world) for world in worlds))
    await asyncio.gather(*(world.settles("lead-v1", pods=2) for world in worlds))
    operator.kill()
    await operator.ended()
    return worlds


async def must_end_alike(reference: Outcome, outcomes: Sequence[Outcome], worlds: Sequence[World]) -> None:
    """Same end, users always answered, every write of the undisturbed run struck at least once, no child left over."""
    for outcome in outcomes:
        assert differences(reference.dump, outcome.dump) == [], str(outcome)
        assert outcome.troubles == [], str(outcome)
    for moment in Moment:
        struck = {o.struck.what for o in outcomes if o.struck is not None and o.strike and o.strike.moment is moment}
        assert struck >= {write.what for write in reference.writes}
    await asyncio.gather(*(world.delete_model("lead") for world in worlds))
    await asyncio.gather(*(world.wait(world.is_empty, "no child is left") for world in worlds))


async def test_a_create_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Whatever the operator was doing when it died, the next one finishes the same objects and leaves no other."""
    first = await bench.world()
    reference = await bench.play(CREATE, first, None)
    strikes = strikes_at(len(reference.writes))
    worlds = await empty_worlds(bench, len(strikes))
    outcomes = await bench.play_all(CREATE, worlds, strikes)
    await must_end_alike(reference, outcomes, worlds)


async def test_a_new_revision_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Users are sent to a proven revision at every moment, and in the end to the new one alone."""
    first, *spare = await serving_worlds(bench, 30)
    reference = await bench.play(UPDATE, first, None)
    strikes = strikes_at(len(reference.writes))[: len(spare)]
    worlds = spare[: len(strikes)]
    outcomes = await bench.play_all(UPDATE, worlds, strikes)
    await must_end_alike(reference, outcomes, worlds)


async def test_a_change_in_place_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Resources, number of pods and autoscaler are as asked, however often the operator had to start over."""
    first, *spare = await serving_worlds(bench, 14)
    reference = await bench.play(CHANGE, first, None)
    strikes = strikes_at(len(reference.writes))[: len(spare)]
    worlds = spare[: len(strikes)]
    outcomes = await bench.play_all(CHANGE, worlds, strikes)
    await must_end_alike(reference, outcomes, worlds)
