"""A model deleted while the operator works on it leaves nothing; created again, it is as if it were the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.crash.bench import Bench
from tests.crash.proxy import Reply, Write
from tests.crash.runs import Blow, Run, Scenario, Strike, play_all, strikes_at
from tests.crash.scenarios import CREATE, UPDATE, V1, V2, create_model, empty_worlds, serving_worlds
from tests.crash.world import World, differences

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _delete(run: Run, _: Write) -> None:
    await run.world.delete_model()


async def _delete_and_kill(run: Run, _: Write) -> Reply:
    await run.world.delete_model()
    await run.kill()
    return Reply(503, {})


async def _kill(run: Run, _: Write) -> None:
    await run.kill()


async def _replace(run: Run, _: Write) -> None:
    await run.world.delete_model()
    await create_model(run.world)


DELETED = (
    Blow("model deleted", before=_delete),
    Blow("model deleted, killed before", before=_delete_and_kill),
    Blow("model deleted, killed after", before=_delete, after=_kill),
)
REPLACED = Blow("model deleted and created again", before=_replace)


def is_gone(world: World) -> bool:
    """Neither the model nor any child is there."""
    return not world.objects("MarketingModel") and world.is_empty()


async def leaves_nothing(
    bench: Bench, scenario: Scenario, revision: str, worlds_of: Callable[[Bench, int], Awaitable[list[World]]]
) -> None:
    """Delete the model at each write of a scenario, in one way or another; all ways have their turn."""
    first = await worlds_of(bench, 1)
    reference = await Run(bench, first[0], None).play(scenario)
    strikes = [strikes_at(reference.writes, DELETED[n % 3])[n] for n in range(len(reference.writes))]
    worlds = await worlds_of(bench, len(strikes))
    outcomes = await play_all(bench, Scenario(scenario.provoke, lambda world: ends(world, revision)), worlds, strikes)
    struck = [world for world, outcome in zip(worlds, outcomes, strict=True) if outcome.struck is not None]
    assert len(struck) > len(strikes) / 2
    await asyncio.gather(*(world.wait(partial(is_gone, world), "nothing is left") for world in struck))
    await asyncio.sleep(1)  # whoever wanted to bring something back has had his time
    assert [world.namespace for world in struck if not is_gone(world)] == []


async def ends(world: World, revision: str) -> None:
    """Wait until the model is gone or, where the blow came too late, serves."""
    await world.wait(lambda: is_gone(world) or world.serves(revision), "the model is gone")


async def test_a_model_deleted_while_it_is_created_leaves_nothing(bench: Bench) -> None:
    """Whichever object the operator is about to write: it is not made, or goes with the others."""
    await leaves_nothing(bench, CREATE, V1, empty_worlds)


async def test_a_model_deleted_during_a_rollout_leaves_nothing(bench: Bench) -> None:
    """Neither of the two revisions stays."""
    await leaves_nothing(bench, UPDATE, V2, serving_worlds)


async def test_a_delete_costs_the_operator_nothing(bench: Bench) -> None:
    """Ownership does the work: not one write is the operator's."""
    (world,) = await serving_worlds(bench, 1)
    scenario = Scenario(World.delete_model, lambda world: world.wait(lambda: is_gone(world), "nothing is left"))
    outcome = await Run(bench, world, None).play(scenario)
    assert outcome.writes == []


async def test_a_model_created_again_is_as_if_it_were_the_first(bench: Bench) -> None:
    """Deleted and applied once more in the middle of its creation: the end is that of any other model."""
    (first,) = await empty_worlds(bench, 1)
    reference = await Run(bench, first, None).play(CREATE)
    strikes = strikes_at(reference.writes, REPLACED)
    worlds = await empty_worlds(bench, len(strikes))
    outcomes = await play_all(bench, CREATE, worlds, strikes)
    for outcome in outcomes:
        if outcome.struck is not None:
            assert (str(outcome), differences(reference.dump, outcome.dump)) == (str(outcome), [])
    for world in worlds:
        (model,) = world.objects("MarketingModel")
        assert world.owners() == {model["metadata"]["uid"]}


async def test_a_status_reaches_no_model_that_it_is_not_about(bench: Bench) -> None:
    """What was found out about the former model must not make its successor's revision look proven."""
    seen: list[object] = []

    async def replace(run: Run, write: Write) -> None:
        if write.body.get("status", {}).get("phase") == "Serving" and not seen:
            seen.append(write)
            await run.world.delete_model()
            await run.world.wait(partial(is_gone, run.world), "nothing is left")
            await create_model(run.world)

    async def look(run: Run, write: Write) -> None:
        if seen == [write]:
            seen.append((await run.world.model()).get("status"))

    (world,) = await empty_worlds(bench, 1)
    await Run(bench, world, Strike(Blow("replaced", before=replace, after=look))).play(CREATE)
    assert seen[1:] == [None]
    assert bench.cluster.predictors.proven[world.namespace, V1] == 2
