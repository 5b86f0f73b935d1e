"""When the leader falls silent in the middle of a rollout, the standby finishes it, and nothing is done wrongly."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.crash.bench import Bench
from tests.crash.runs import Run
from tests.crash.scenarios import UPDATE, serving_worlds
from tests.crash.succession import LEASE_SECONDS, End, Succession, succeed
from tests.crash.world import differences

pytestmark = pytest.mark.asyncio(loop_scope="session")

Successions = dict[End, Succession]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def successions(bench: Bench) -> Successions:
    """Leaders that fell silent, all at the same time: a standby waits for a quarter of a minute."""
    return await succeed(bench)


@pytest.mark.parametrize("end", End, ids=lambda end: end.value)
async def test_a_standby_takes_over_when_the_lease_has_run_out(successions: Successions, end: End) -> None:
    """It writes nothing before the leader falls silent, and goes on within the Lease's duration and a little."""
    succession = successions[end]
    assert [write.what for write in succession.early_writes] == []
    waited_seconds = succession.taken_over_at - succession.silent_at
    # the leader's last word may have been a renewal period before it fell silent
    assert LEASE_SECONDS - 6 < waited_seconds < LEASE_SECONDS + 4
    assert succession.troubles == []


async def test_the_end_is_the_same_under_the_second_leader(successions: Successions, bench: Bench) -> None:
    """As if one operator had done it all."""
    (world,) = await serving_worlds(bench, 1)
    reference = await Run(bench, world, None).play(UPDATE)
    for succession in successions.values():
        assert (succession.end, differences(reference.dump, succession.dump)) == (succession.end, [])


async def test_a_leader_that_was_away_too_long_writes_no_more(successions: Successions) -> None:
    """Continued after its Lease has run out, it ends without another write: the world is another's by now."""
    succession = successions[End.STOPPED_AFTER]
    assert [write.what for write in succession.late_writes] == []
