"""Rollouts by steps, the operator killed at every write: users are safe at every moment, and the end is the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from tests.crash.bench import Bench
from tests.crash.entries import ENTRY
from tests.crash.podramps import PodRamps
from tests.crash.proxy import Write
from tests.crash.ramping import Ramps
from tests.crash.runs import Strike, strikes_at
from tests.crash.test_killed import BLOWS, survives

_TRAFFIC: Final = frozenset({"PATCH services/lead", "PATCH httproutes/lead", ENTRY})
pytestmark = pytest.mark.asyncio(loop_scope="session")


def each_state(writes: Sequence[Write]) -> list[Strike]:
    """A kill after each write that the next operator finds, and before each that moves traffic or enters that it will.

    A kill before any other write finds the API server as one after the write before it. What moves traffic is told
    to the ledger first, so there the two are not the same; and before the first write nothing has been done at all.
    An event is for people: the operator reads none, and after one the world is as before it.
    """
    before, after = (strikes_at(writes, blow) for blow in BLOWS)
    moving = [strike for strike in before[1:] if strike.what in _TRAFFIC or strike.what.endswith("/scale")]
    return [*before[:1], *moving, *(strike for strike in after if strike.what != "POST events")]


@pytest.fixture(scope="session")
def ramps(bench: Bench) -> Ramps:
    """The scenarios."""
    return Ramps(bench)


async def test_a_promotion_through_all_steps_survives_a_kill_at_every_write(bench: Bench, ramps: Ramps) -> None:
    """Begin, two steps, takeover, clean-up: weights rise to arms that are ready, and never fall."""
    await survives(bench, ramps.promoted, ramps.serving_worlds, each_state)


async def test_a_changed_plan_and_an_abort_survive_a_kill_at_every_write(bench: Bench, ramps: Ramps) -> None:
    """The rollout ends and begins anew by the new plan; then a person's word ends it, which is not forgotten."""
    await survives(bench, ramps.replanned, ramps.ramped_worlds, each_state, then=[ramps.aborted])


async def test_a_newer_revision_and_its_harm_survive_a_kill_at_every_write(bench: Bench, ramps: Ramps) -> None:
    """The canary is withdrawn half-way, then the newer one begins, and loses its users for good when it does harm."""
    await survives(bench, ramps.superseded, ramps.ramped_worlds, each_state, then=[ramps.harmful])


async def test_rollouts_by_pods_survive_a_kill_at_every_write(bench: Bench) -> None:
    """Without a gateway: a promotion, then a newer revision that does harm."""
    ramps = PodRamps(bench)
    await survives(ramps.bench, ramps.promoted, ramps.serving_worlds, each_state, then=[ramps.harmful])
