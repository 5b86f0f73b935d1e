"""What people do in the runs, and the worlds that it begins in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.crash.bench import AT_ONCE, Bench
from tests.crash.runs import Outcome, Scenario
from tests.crash.world import World, differences
from tests.support import samples

V1, V2 = "lead-v1", "lead-v2"
_SCALED = {"class": "HPA", "minReplicas": 2, "maxReplicas": 4}
_AT_ONCE = {"drainSeconds": 0}


async def create(world: World) -> None:
    """A revision, and a model with an autoscaler that pins it."""
    await world.create(samples.revision(V1, of="lead", uri=f"s3://models/{V1}"))
    await create_model(world)


async def create_model(world: World) -> None:
    """The model alone."""
    await world.create(samples.model("lead", revision=V1, scaling=_SCALED, rollout=_AT_ONCE))


async def update(world: World) -> None:
    """A second revision, which the model pins from now on."""
    await world.create(samples.revision(V2, of="lead", uri=f"s3://models/{V2}", digest="sha256:" + "2" * 64))
    await world.change_model({"revision": {"name": V2}})


async def change_in_place(world: World) -> None:
    """More memory, one pod, no autoscaler: for the revision that serves."""
    scaling = {"class": "None", "minReplicas": 1, "maxReplicas": None}
    await world.change_model({"serving": {"resources": {"limits": {"memory": "1Gi"}}}, "scaling": scaling})


CREATE = Scenario(create, lambda world: world.settles(V1, pods=2))
UPDATE = Scenario(update, lambda world: world.settles(V2, pods=2))
CHANGE = Scenario(change_in_place, lambda world: world.settles(V1, pods=1))


async def empty_worlds(bench: Bench, count: int) -> list[World]:
    """Worlds in which there is nothing yet."""
    return list(await asyncio.gather(*(bench.world() for _ in range(count))))


async def serving_worlds(bench: Bench, count: int) -> list[World]:
    """Worlds in which the first revision serves."""
    return await prepared_worlds(bench, count, CREATE)


async def prepared_worlds(bench: Bench, count: int, scenario: Scenario) -> list[World]:
    """Worlds in which a scenario has been played by one operator for all, which is gone afterwards."""
    worlds = await empty_worlds(bench, count)
    namespaces = ",".join(world.namespace for world in worlds)
    operator = bench.operator(bench.cluster.plane.kubeconfig, namespaces, **scenario.settings)

    turns = asyncio.Semaphore(2 * AT_ONCE)  # nobody's time runs while a busy machine looks after others

    async def play(world: World) -> None:
        async with turns:
            await scenario.provoke(world)
            await scenario.settled(world)

    await asyncio.gather(*(play(world) for world in worlds))
    await operator.kill()
    return worlds


def must_be_alike(reference: Outcome, outcomes: Sequence[Outcome]) -> None:
    """The same end as without a blow, by the same decisions, each entered once; users looked after at every moment."""
    assert reference.troubles == []
    for outcome in outcomes:
        found = [*differences(reference.dump, outcome.dump), *outcome.troubles]
        assert not found, f"{outcome}: {found}"
        assert decided(outcome) == decided(reference), f"{outcome}"


def decided(outcome: Outcome) -> list[str]:
    """What was entered, in time or late."""
    return [entry.replace(" late:", ":") for entry in outcome.entries]


async def leave_nothing(worlds: Sequence[World]) -> None:
    """Delete the models; without any operator, every child goes with them."""
    await asyncio.gather(*(world.delete_model() for world in worlds))
    await asyncio.gather(*(world.wait(world.is_empty, "no child is left") for world in worlds))
