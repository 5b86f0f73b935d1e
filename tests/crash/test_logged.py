"""The audit log is away: nobody gets more users, and whoever must lose them loses them all the same."""

from __future__ import annotations

from typing import Final

import pytest

from marquee.control.render.debts import Debt, read_debts
from tests.crash.bench import Bench
from tests.crash.entries import ENTRY
from tests.crash.proxy import Reply, Write
from tests.crash.ramping import Ramps
from tests.crash.runs import Blow, Run, Scenario, Strike
from tests.crash.scenarios import leave_nothing
from tests.crash.world import World

_UNLOGGED: Final = "marquee.dev/unlogged"
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _refuse_entries(_: Run, write: Write) -> Reply | None:
    return (
        Reply(503, {"type": "urn:marquee:problem:audit-unavailable", "detail": "full"}) if write.what == ENTRY else None
    )


WITHOUT_LOG: Final = Strike(Blow("the log is away", before=_refuse_entries))


def debts(world: World) -> tuple[Debt, ...]:
    """What the model's Service remembers."""
    (service,) = [body for body in world.objects("Service") if body["metadata"]["name"] == "lead"]
    return read_debts(service["metadata"]["annotations"].get(_UNLOGGED))


async def test_an_abort_does_not_wait_and_is_entered_when_the_log_is_back(bench: Bench) -> None:
    """Its own write remembers it, so that another operator finds it; then it is entered once, and as late."""
    ramps = Ramps(bench)
    (world,) = await ramps.ramped_worlds(bench, 1)
    away = await Run(bench, world, WITHOUT_LOG).play(ramps.aborted)
    assert [debt.decision.stage for debt in debts(world)] == ["Aborted"]
    assert not [entry for entry in away.entries if entry.startswith("Abort")]

    async def is_paid(world: World) -> None:
        await world.wait(lambda: not debts(world), "nothing is owed")

    back = await Run(bench, world, None).play(Scenario(World.touch_model, is_paid, bench.judging))
    assert back.entries == [*away.entries, "Abort step 0 Aborted late: {'lead-v1': 1000}"]
    assert back.troubles == []
    await leave_nothing([world])


async def test_no_rollout_begins_without_the_log(bench: Bench) -> None:
    """The newcomer comes up and is proven, and gets nobody; the model says why, and nobody is moved."""
    ramps = Ramps(bench)
    (world,) = await ramps.serving_worlds(bench, 1)

    async def waits(world: World) -> None:
        await world.wait(lambda: world.reason() == "AuditUnavailable", "the log is waited for")

    outcome = await Run(bench, world, WITHOUT_LOG).play(Scenario(ramps.begins, waits, bench.judging))
    assert (world.split, debts(world), outcome.troubles) == (None, (), [])
    assert outcome.entries == ["Serve step 0 alone: {'lead-v1': 1000}"]
    assert [
        write.what for write in outcome.writes if write.what in {"PATCH services/lead", "PATCH httproutes/lead"}
    ] == []
    await leave_nothing([world])
