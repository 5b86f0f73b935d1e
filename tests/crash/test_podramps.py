"""Rollouts by numbers of pods, the operator killed at every write: the same promises without a gateway."""

from __future__ import annotations

import pytest

from tests.crash.bench import Bench
from tests.crash.podramps import PodRamps
from tests.crash.test_killed import each_state, survives

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.first]


async def test_rollouts_by_pods_survive_a_kill_at_every_write(bench: Bench) -> None:
    """Without a gateway: a promotion, then a newer revision that does harm."""
    ramps = PodRamps(bench)
    await survives(ramps.bench, ramps.promoted, ramps.serving_worlds, each_state, then=[ramps.harmful])
