"""The operator is killed at each of its writes, before or after the API server has done it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest

from tests.crash.bench import Bench
from tests.crash.entries import ENTRY
from tests.crash.proxy import Reply, Write
from tests.crash.runs import Blow, Outcome, Run, Scenario, Strike, play_all, strikes_at
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

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.first]


_TRAFFIC: Final = frozenset({"PATCH services/lead", "PATCH httproutes/lead", ENTRY})


async def _unanswered(run: Run, _: Write) -> Reply:
    await run.kill()
    return Reply(503, {})  # there is nobody to read it


async def _unheard(run: Run, _: Write) -> None:
    await run.kill()


BLOWS = (Blow("killed before", before=_unanswered, kills=True), Blow("killed after", after=_unheard, kills=True))


def each_once(writes: Sequence[Write]) -> list[Strike]:
    """A kill before each write and one after it."""
    return [strike for blow in BLOWS for strike in strikes_at(writes, blow)]


def each_state(writes: Sequence[Write]) -> list[Strike]:
    """A kill after each write that the next operator finds, and before each that moves traffic or enters that it will.

    A kill before any other write finds the API server as one after the write before it. What moves traffic is told
    to the ledger first, so there the two are not the same; and before the first write nothing has been done at all.
    An event is for people: the operator reads none, and after one the world is as before it.
    """
    before, after = (strikes_at(writes, blow) for blow in BLOWS)
    moving = [strike for strike in before[1:] if strike.what in _TRAFFIC or strike.what.endswith("/scale")]
    return [*before[:1], *moving, *(strike for strike in after if strike.what != "POST events")]


async def survives(
    bench: Bench,
    scenario: Scenario,
    worlds_of: Callable[[Bench, int], Awaitable[list[World]]],
    strikes_of: Callable[[Sequence[Write]], list[Strike]] = each_once,
    then: Sequence[Scenario] = (),
) -> None:
    """Play a scenario undisturbed, and then with a kill at each of the writes that this took.

    Args:
        bench: What all runs share.
        scenario: The first one.
        worlds_of: Makes the worlds that it begins in.
        strikes_of: Chooses the kills.
        then: Scenarios that begin in the worlds where the one before has ended, with no more kills than it.

    """
    (first,) = await worlds_of(bench, 1)
    worlds: list[World] = []
    for played in (scenario, *then):
        reference = await Run(bench, first, None).play(played)
        strikes = strikes_of(reference.writes)
        worlds = worlds or await worlds_of(bench, len(strikes))
        outcomes = await play_all(bench, played, worlds[: len(strikes)], strikes)
        must_be_alike(reference, outcomes)
        must_have_struck(outcomes, strikes)
    await leave_nothing([first, *worlds])


def must_have_struck(outcomes: Sequence[Outcome], strikes: Sequence[Strike]) -> None:
    """Each kind of write was met, and a second operator had to finish what the first had begun."""
    for blow in BLOWS:
        assert struck(outcomes, blow) == {strike.what for strike in strikes if strike.blow is blow}
    # after the last write nothing is left to do, and the world may be as asked before another operator leads; a busy
    # machine may cost a leader its Lease, and one more begins
    operators = Counter(outcome.operators for outcome in outcomes if outcome.struck is not None)
    assert operators.most_common(1)[0][0] == 2
    assert max(operators) <= 4


def struck(outcomes: Sequence[Outcome], blow: Blow) -> set[str]:
    """The writes that a blow has met."""
    return {o.struck.what for o in outcomes if o.struck is not None and o.strike is not None and o.strike.blow is blow}


async def test_a_create_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Whatever the operator was doing when it died, the next one finishes the same objects and leaves no other."""
    await survives(bench, CREATE, empty_worlds)


async def test_a_new_revision_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Users are sent to a proven revision at every moment, and in the end to the new one alone."""
    await survives(bench, UPDATE, serving_worlds, each_state)


async def test_a_change_in_place_survives_a_kill_at_every_write(bench: Bench) -> None:
    """Resources, number of pods and autoscaler are as asked, however often the operator had to start over."""
    await survives(bench, CHANGE, serving_worlds, each_state)
