"""The operator's side against a real ledger on SQLite: in this process, and as a process that is killed."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm as Side
from marquee.contract.cohort import Cohort as Place
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import (
    COUNTS_PATH,
    OUTCOMES_PATH,
    CohortCounts,
    CountsBatch,
    MetricDeclaration,
    MetricKind,
    RolloutDeclaration,
)
from marquee.contract.prediction import Issuer, derive_secret
from marquee.contract.stamping import Stamping
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.errors import (
    DeclaredOtherwiseError,
    LedgerRefusedError,
    LedgerUnavailableError,
    RolloutUnknownError,
)
from marquee.control.ledger.following import FollowerSettings, LedgerFollower
from marquee.control.runtime.backoff import Backoff
from marquee.control.snapshot import ModelKey
from marquee.evidence.counts import Arm, Cohort
from marquee.judging.counting import cohorts, request_cohorts
from marquee.ledger.service import running
from marquee.ledger.settings import Settings
from tests.unit.control.ledger.integers import KEY, MODEL

MASTER_KEY = bytes(range(64))
DECLARATION = RolloutDeclaration(
    metrics=(
        MetricDeclaration(outcome="purchase"),
        MetricDeclaration(outcome="revenue", kind=MetricKind.MEAN, decimals=2, cap=100.0),
    )
)
QUICK = FollowerSettings(
    interval_seconds=0.05, settle_seconds=0.01, backoff=Backoff(initial_seconds=0.02, maximum_seconds=0.1)
)


class Senders:
    """What predictors and shops do to a ledger."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._issuer = Issuer(key_id=1, secret=derive_secret(MASTER_KEY, MODEL), model=MODEL, revision="leads-1")

    async def expose(self, place: Place, *users: str) -> None:
        units = b"".join(unit_hash(MODEL, user) for user in users)
        batch = ExposureBatch(os.urandom(16), MODEL, (ExposureGroup(place, units),))
        async with self._session.post(
            self._url + EXPOSURES_PATH, data=batch.to_bytes(), headers={"content-type": CONTENT_TYPE}
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def count(self, *counts: CohortCounts) -> None:
        batch = CountsBatch(batch_id=os.urandom(16).hex(), model=MODEL, counts=counts)
        async with self._session.post(
            self._url + COUNTS_PATH, json=batch.model_dump(mode="json", by_alias=True)
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def report(self, place: Place, user: str, outcome: str, value: float = 1.0) -> None:
        issued = self._issuer.issue(place, unit_hash(MODEL, user), int(time.time() * 1_000))
        body = [{"predictionId": issued, "outcome": outcome, "value": value}]
        async with self._session.post(self._url + OUTCOMES_PATH, json=body) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["counted"] == 1


def settings_in(folder: Path) -> Settings:
    """A ledger of its own on loopback."""
    keys = folder / "keys"
    keys.mkdir()
    (keys / "1").write_text(MASTER_KEY.hex())
    return Settings(
        database_url=f"sqlite:///{folder}/ledger.db",
        http_host="127.0.0.1",
        http_port=0,
        master_keys_path=keys,
        unauthenticated=True,
        drain_seconds=0.0,
    )


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a ledger in this process."""
    async with running(settings_in(tmp_path)) as serving:
        yield f"http://127.0.0.1:{serving.port}"


async def test_integers_arrive_as_they_were_sent(session: aiohttp.ClientSession, ledger: str) -> None:
    """What predictors and shops report comes out as the evidence's cohorts, by unit and by request."""
    client, senders = LedgerClient(session, ledger, None), Senders(session, ledger)
    stable, canary = Place("leads-r1", 0, Side.STABLE), Place("leads-r1", 0, Side.CANARY)
    await client.declare(MODEL, "leads-r1", DECLARATION)
    await senders.expose(stable, "a", "b", "c")
    await senders.expose(canary, "d", "e", "d")
    await senders.report(stable, "a", "revenue", 12.34)
    await senders.report(canary, "d", "revenue", 250.0)
    await senders.report(canary, "e", "purchase")
    await senders.count(
        CohortCounts(rollout="leads-r1", step=0, arm="stable", requests=30, errors=2, slow=4),
        CohortCounts(rollout="leads-r1", step=0, arm="canary", requests=20, errors=1),
    )

    found = await client.statistics()

    assert found is not None
    (told,) = found
    assert told.metrics == DECLARATION.metrics
    weights = {0: 40, 1: 50}
    nothing = Cohort(1, canary=Arm(0), stable=Arm(0), weight=50)
    assert cohorts(told, weights, outcome="revenue") == (
        Cohort(0, canary=Arm(2, 1, 10_000, 10_000**2), stable=Arm(3, 1, 1_234, 1_234**2), weight=40),
        nothing,
    )
    assert cohorts(told, weights, outcome="purchase") == (
        Cohort(0, canary=Arm(2, 1, 1, 1), stable=Arm(3), weight=40),
        nothing,
    )
    assert request_cohorts(told)[0] == Cohort(0, canary=Arm(20, errors=1), stable=Arm(30, errors=2, slow=4))


async def test_declaring_is_idempotent_until_it_contradicts(session: aiohttp.ClientSession, ledger: str) -> None:
    """The same declaration again is fine; another one is refused with the ledger's reason, and changes nothing."""
    client = LedgerClient(session, ledger, None)
    for _ in range(2):
        await client.declare(MODEL, "leads-r1", DECLARATION)

    with pytest.raises(DeclaredOtherwiseError, match="a change of what is measured is a new rollout"):
        await client.declare(MODEL, "leads-r1", RolloutDeclaration(metrics=DECLARATION.metrics[:1]))

    found = await client.statistics()
    assert found is not None
    assert [rollout.metrics for rollout in found] == [DECLARATION.metrics]


async def test_closed_rollout_is_left_out(session: aiohttp.ClientSession, ledger: str) -> None:
    """Closing takes a rollout out of the statistics, once and again; one that never was has its own error."""
    client = LedgerClient(session, ledger, None)
    await client.declare(MODEL, "leads-r1", DECLARATION)
    for _ in range(2):
        await client.close(MODEL, "leads-r1")

    assert await client.statistics() == ()
    with pytest.raises(RolloutUnknownError, match="leads-r2"):
        await client.close(MODEL, "leads-r2")


async def test_nothing_new_is_none(session: aiohttp.ClientSession, ledger: str) -> None:
    """Between two changes of an integer the ledger says that there is none."""
    client, senders = LedgerClient(session, ledger, None), Senders(session, ledger)
    await client.declare(MODEL, "leads-r1", DECLARATION)
    first, second = await client.statistics(), await client.statistics()
    await senders.expose(Place("leads-r1", 0, Side.CANARY), "a")
    third, fourth = await client.statistics(), await client.statistics()

    assert (second, fourth) == (None, None)
    assert first is not None
    assert third is not None
    assert third[0].revision > first[0].revision


@asynccontextmanager
async def process(settings: Settings, port: int, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    """A ledger in a process of its own, killed at the end of the block."""
    given = settings.model_copy(update={"http_port": port})
    environment = {
        f"MARQUEE_LEDGER_{name.upper()}": str(getattr(given, name))
        for name in ("database_url", "http_host", "http_port", "master_keys_path", "unauthenticated")
    }
    serving = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "marquee.ledger", env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        client = LedgerClient(session, url, None)
        async with asyncio.timeout(60):
            while serving.returncode is None:
                try:
                    await client.statistics()
                except LedgerUnavailableError:
                    await asyncio.sleep(0.05)
                else:
                    break
        assert serving.returncode is None
        yield url
    finally:
        if serving.returncode is None:
            serving.kill()
        await serving.wait()


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


async def test_follower_outlives_a_killed_ledger(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    """A ledger that is killed leaves its last integers and a reason; when it is back, its new ones arrive."""
    settings = settings_in(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = Place("leads-r1", 0, Side.CANARY)
    client = LedgerClient(session, f"http://127.0.0.1:{port}", None)
    changes: list[ModelKey] = []
    follower = LedgerFollower(client.statistics, changes.append, settings=QUICK)
    follower.follow(KEY, "leads-r1")

    def exposures() -> int:
        reading = follower.reading(KEY)
        return sum(c.exposures for c in reading.statistics.cohorts) if reading and reading.statistics else -1

    def failure() -> str:
        reading = follower.reading(KEY)
        return reading.failure if reading else ""

    following = asyncio.create_task(follower.run())
    try:
        async with process(settings, port, session) as url:
            await client.declare(MODEL, "leads-r1", DECLARATION)
            await Senders(session, url).expose(place, "a", "b")
            await eventually(lambda: exposures() == 2)
            assert failure() == ""
        await eventually(failure)
        assert f"GET http://127.0.0.1:{port}/v1/statistics" in failure()
        assert exposures() == 2
        told_before = len(changes)
        async with running(settings.model_copy(update={"http_port": port})):
            await eventually(lambda: not failure())
            assert exposures() == 2
            assert len(changes) == told_before + 1
            await Senders(session, url).expose(place, "c")
            await eventually(lambda: exposures() == 3)
        assert set(changes) == {KEY}
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_steps_that_pods_stamp_are_told_until_they_are_over(session: aiohttp.ClientSession, ledger: str) -> None:
    """Saying either again changes nothing; the statistics tell whether it was heard."""
    client = LedgerClient(session, ledger, None)
    stamping = Stamping(stable="leads-1", canary="leads-2", step=0)
    with pytest.raises(RolloutUnknownError):
        await client.stamp(MODEL, "never", stamping)
    with pytest.raises(RolloutUnknownError):
        await client.end_stamping(MODEL, "never")
    await client.declare(MODEL, "by-pods", DECLARATION)
    for _ in range(2):
        await client.stamp(MODEL, "by-pods", stamping)
    assert [one.stamping for one in await client.statistics() or () if one.rollout == "by-pods"] == [True]
    for _ in range(2):
        await client.end_stamping(MODEL, "by-pods")
    assert [one.stamping for one in await client.statistics() or () if one.rollout == "by-pods"] == [False]
    with pytest.raises(LedgerRefusedError, match="is over"):
        await client.stamp(MODEL, "by-pods", stamping.model_copy(update={"step": 1}))
