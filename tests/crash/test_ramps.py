"""Rollouts by steps, the operator killed at every write: users are safe at every moment, and the end is the same."""

from __future__ import annotations

import pytest

from tests.crash.bench import Bench
from tests.crash.ramping import Ramps
from tests.crash.test_killed import each_state, survives

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.first]


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
