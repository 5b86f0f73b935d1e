from __future__ import annotations

import asyncio

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from marquee.contract.ledger import RolloutStatistics
from marquee.control.app.metrics import LedgerCollector
from marquee.control.ledger.errors import LedgerUnavailableError
from marquee.control.ledger.following import FollowerSettings, LedgerFollower
from marquee.control.runtime.backoff import Backoff
from tests.unit.control.runtime.virtual_time import run_virtually

SETTINGS = FollowerSettings(backoff=Backoff(initial_seconds=2.0, jitter=0.0))


def samples(follower: LedgerFollower) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(follower))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.split() for line in lines)}


def test_age_and_failures_of_the_ledgers_readings() -> None:
    """An outage shows as an age that grows and as failures; an age is there only while a rollout is followed."""

    async def scenario() -> None:
        away = False

        async def read() -> tuple[RolloutStatistics, ...]:
            if away:
                raise LedgerUnavailableError("away")
            return ()

        follower = LedgerFollower(read, lambda _: None, settings=SETTINGS)
        task = asyncio.create_task(follower.run())
        assert samples(follower) == {
            "marquee_ledger_followed_rollouts": 0,
            "marquee_ledger_reads_total": 0,
            "marquee_ledger_read_failures_total": 0,
        }
        follower.follow(("shop", "leads"), "r1")
        await asyncio.sleep(4)
        away = True
        await asyncio.sleep(9)
        assert samples(follower) == {
            "marquee_ledger_followed_rollouts": 1,
            "marquee_ledger_reading_age_seconds": pytest.approx(13),
            "marquee_ledger_reads_total": 1,
            "marquee_ledger_read_failures_total": 2,
        }
        task.cancel()
        await asyncio.wait([task])

    run_virtually(scenario())
