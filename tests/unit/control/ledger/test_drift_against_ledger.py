"""Windows from a real ledger to a verdict: what changed is read again, what did not is not, and an outage passes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from marquee.api.drift import Drift
from marquee.contract.drift import SLICE_SECONDS, DriftBatch
from marquee.control.decide.plan import DriftQuestion
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.drifting import DriftFollower
from marquee.control.ledger.errors import LedgerNotUnderstoodError, LedgerUnavailableError
from marquee.control.snapshot import ModelKey
from marquee.judging.drifting import DriftState, judge_drift
from marquee.judging.performing import PerformanceState
from marquee.ledger.book.entries import CountDrift
from marquee.ledger.book.posting import post
from marquee.ledger.book.windows import SETTLE_SECONDS
from tests.support.drift import LAYOUT, counters_of, fill
from tests.support.ledger import Ledger, settings_of
from tests.support.performance import fill_outcomes, watched

KEY, MODEL, REVISION = ("growth", "lead"), "growth/lead", "lead-v1"
UNTIL = (int(time.time()) - SETTLE_SECONDS) // 86_400


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Thirty-four quiet days."""
    with Ledger(settings_of(tmp_path)) as ledger:
        fill(ledger.running.state.database, MODEL, REVISION, UNTIL, lambda _: {})
        yield ledger


async def test_windows_are_read_once_and_again_when_they_change(ledger: Ledger) -> None:
    """A late batch of the last day, with two thirds of its values missing, breaks the feed."""
    async with aiohttp.ClientSession() as session:
        client = LedgerClient(session, ledger.url, None)
        found = await client.drift(MODEL, REVISION, Drift())
        assert found is not None
        reply, etag = found
        assert (len(reply.baseline), len(reply.windows), reply.until) == (28, 6, UNTIL)
        assert await client.drift(MODEL, REVISION, Drift(), etag=etag) is None
        changes: list[ModelKey] = []
        follower = DriftFollower(client.drift, changes.append, interval_seconds=0.1)
        task = asyncio.create_task(follower.run())
        follower.follow(KEY, DriftQuestion(REVISION, Drift()))
        await until(follower, DriftState.STABLE)
        database = ledger.running.state.database
        late = DriftBatch(
            b"f" * 12,
            0,
            LAYOUT.digest,
            MODEL,
            REVISION,
            (UNTIL - 1) * 86_400 // SLICE_SECONDS,
            counters_of(UNTIL - 1, missing=4_000),
        )
        with database.writer.begin() as connection:
            post(connection, database.bulk, [CountDrift(late, 1)])
        await until(follower, DriftState.BROKEN_FEED)
        assert changes == [KEY, KEY]
        task.cancel()


async def until(follower: DriftFollower, state: DriftState) -> None:
    async with asyncio.timeout(30):
        while (reading := follower.reading(KEY)) is None or reading.verdict is None or reading.verdict.state != state:
            await asyncio.sleep(0.02)


async def test_performance_is_declared_when_it_is_not_and_once(tmp_path: Path) -> None:
    """By whoever reads: a ledger that was restored from before, or another outcome in the spec."""
    with Ledger(settings_of(tmp_path)) as ledger:
        fill_outcomes(ledger.running.state.database, MODEL, REVISION, UNTIL)
        async with aiohttp.ClientSession() as session:
            client = LedgerClient(session, ledger.url, None)
            found = await client.drift(MODEL, REVISION, watched(), etag="")
            assert found is not None
            verdict = judge_drift(found[0], watched())
            assert verdict.performance is not None
            assert verdict.performance.state is PerformanceState.STABLE
            other = watched(outcome="renewal")
            told = await client.drift(MODEL, REVISION, other)
            again = await client.drift(MODEL, REVISION, other)
            assert told is not None
            assert again is not None
            assert told[1] != again[1]
            assert [reply.performance and reply.performance.metric.outcome for reply, _ in (told, again)] == [
                "purchase",
                "renewal",
            ]
            assert await client.drift(MODEL, REVISION, other, etag=again[1]) is None


async def test_what_is_no_ledger_is_told(ledger: Ledger) -> None:
    """Nobody listens there; or something else answers."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(LedgerUnavailableError):
            await LedgerClient(session, "http://127.0.0.1:1", None).drift(MODEL, REVISION, Drift())
        with pytest.raises(LedgerNotUnderstoodError, match="not understood"):
            await LedgerClient(session, f"{ledger.url}/healthz?", None).drift(MODEL, REVISION, Drift())
