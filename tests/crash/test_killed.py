"""The operator is killed at each of its writes, before or after the API server has done it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.crash.bench import Bench
from tests.crash.proxy import Reply, Write
from tests.crash.runs import Blow, Outcome, Run, Scenario, play_all, strikes_at
from tests.crash.scenarios import (
    CHANGE,
    CREATE,
    UPDATE,
    empty_worlds,
    leave_nothing,
    must_be_alike,
    serving_worlds,
)
from tests.crash.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _unanswered(run: Run, _: Write) -> Reply:
    await run.kill()
    return Reply(503, {})  # there is nobody to read it


async def _unheard(run: Run, _: Write) -> None:
    await run.kill()


BLOWS = (Blow("killed before", before=_unanswered, kills=True), Blow("killed after", after=_unheard, kills=True))


async def survives(bench: Bench, scenario: Scenario, worlds_of: Callable[[Bench, int], Awaitable[list[World]]]) -> None:
    """Play the scenario undisturbed, and then with a kill at each of the writes that this took."""
    first = await worlds_of(bench, 1)
    reference = await Run(bench, first[0], None).play(scenario)
    strikes = [strike for blow in BLOWS for strike in strikes_at(reference.writes, blow)]
    worlds = await worlds_of(bench, len(strikes))
    outcomes = await play_all(bench, scenario, worlds, strikes)
    must_be_alike(reference, outcomes)
    for blow in BLOWS:
        assert struck(outcomes, blow) == {write.what for write in reference.writes}
    # after the last write nothing is left to do, and the world may be as asked before another operator leads
    assert {outcome.operators for outcome in outcomes if outcome.struck is not None} in ({2}, {1, 2})
    await leave_nothing([*first, *worlds])


def struck(outcomes: Sequence[Outcome], blow: Blow) -> set[str]:
    """The writes that a blow has met."""
    return {o.struck.what for o in outcomes if o.struck is not None and o.strike is not None and o.strike.blow is blow}


async def test_a_create_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Whatever the operator was doing when it died, the next one finishes the same objects and leaves no other."""
    await survives(bench, CREATE, empty_worlds)


async def test_a_new_revision_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Users are sent to a proven revision at every moment, and in the end to the new one alone."""
    await survives(bench, UPDATE, serving_worlds)


async def test_a_change_in_place_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Resources, number of pods and autoscaler are as asked, however often the operator had to start over."""
    await survives(bench, CHANGE, serving_worlds)
