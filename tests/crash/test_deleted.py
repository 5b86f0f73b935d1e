"""A model that is deleted while the operator works on it leaves nothing; created again, it is as if it were the first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tests.crash.bench import Bench
from tests.crash.proxy import Reply, Write
from tests.crash.runs import Blow, Outcome, Run, Scenario, Strike, play_all
from tests.crash.scenarios import (
    CREATE,
    V1,
    V2,
    create,
    create_model,
    empty_worlds,
    must_be_alike,
    serving_worlds,
    update,
)
from tests.crash.world import World

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


async def leaves_nothing(bench: Bench, scenario: Scenario, worlds: Sequence[World], writes: int) -> None:
    """Delete the model at each write of a scenario, in one way or another; all ways have their turn."""
    strikes = [Strike(number, DELETED[number % len(DELETED)]) for number in range(1, writes + 1)]
    outcomes = await play_all(bench, scenario, worlds, strikes)
    struck = [world for world, outcome in zip(worlds, outcomes, strict=True) if outcome.struck is not None]
    assert len(struck) > writes / 2
    await asyncio.gather(*(world.wait(lambda world=world: is_gone(world), "nothing is left") for world in struck))
    await asyncio.sleep(1)  # whoever wanted to bring something back has had his time
    assert [world.namespace for world in struck if not is_gone(world)] == []


async def ends(world: World, revision: str) -> None:
    """Wait until the model is gone or, where the blow came too late, serves."""
    await world.wait(lambda: is_gone(world) or world.serves(revision), "the model is gone")


async def test_a_model_deleted_while_it_is_created_leaves_nothing(bench: Bench) -> None:
    """Whichever object the operator is about to write: it is not made, or goes with the others."""
    worlds = await empty_worlds(bench, 8)
    await leaves_nothing(bench, Scenario(create, lambda world: ends(world, V1)), worlds, len(worlds))


async def test_a_model_deleted_during_a_rollout_leaves_nothing(bench: Bench) -> None:
    """Neither of the two revisions stays."""
    worlds = await serving_worlds(bench, 8)
    await leaves_nothing(bench, Scenario(update, lambda world: ends(world, V2)), worlds, len(worlds))


async def test_a_delete_costs_the_operator_nothing(bench: Bench) -> None:
    """Ownership does the work: not one write is the operator's."""
    (world,) = await serving_worlds(bench, 1)
    scenario = Scenario(World.delete_model, lambda world: world.wait(lambda: is_gone(world), "nothing is left"))
    outcome = await Run(bench, world, None).play(scenario)
    assert outcome.writes == []


async def test_a_model_created_again_is_as_if_it_were_the_first(bench: Bench) -> None:
    """Deleted and applied once more in the middle of its creation: the end is that of any other model."""
    first, *worlds = await empty_worlds(bench, 8)
    reference = await Run(bench, first, None).play(CREATE)
    outcomes: list[Outcome] = await play_all(
        bench, CREATE, worlds, [Strike(number, REPLACED) for number in range(1, len(worlds) + 1)]
    )
    must_be_alike(reference, [outcome for outcome in outcomes if outcome.struck is not None])
    for world in worlds:
        (model,) = world.objects("MarketingModel")
        assert world.owners() == {model["metadata"]["uid"]}
