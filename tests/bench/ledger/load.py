"""Load over HTTP: bodies that were made before, on a few kept-alive connections; an answer means durable."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from marquee.contract.assignment import UNIT_HASH_BYTES
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import OUTCOMES_PATH, ROLLOUTS_PATH, STATISTICS_PATH
from marquee.contract.prediction import Issuer, derive_secret
from tests.support.ledger import KEY_ID, MASTER

MODEL: Final = "growth/lead"
ROLLOUT: Final = "lead-v2"
UNITS_A_BATCH: Final = 5_000
OUTCOMES_A_REQUEST: Final = 1_000
CONNECTIONS: Final = 8
STEPS: Final = 2


@dataclass(frozen=True)
class Body:
    """One request, ready to be sent."""

    path: str
    content: bytes
    content_type: str
    records: int


@dataclass(frozen=True)
class Rate:
    """What came of a load."""

    records: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Records a second."""
        return self.records / self.seconds


def exposures(batches: int, units: int = UNITS_A_BATCH) -> list[Body]:
    """Batches of units that nobody saw before, in both arms of two steps."""
    return [_exposure(number, secrets.token_bytes(units * UNIT_HASH_BYTES)) for number in range(batches)]


def _exposure(number: int, units: bytes) -> Body:
    cohort = Cohort(ROLLOUT, number % STEPS, Arm(number // STEPS % 2))
    batch = ExposureBatch(secrets.token_bytes(16), MODEL, (ExposureGroup(cohort, units),))
    return Body(EXPOSURES_PATH, batch.to_bytes(), CONTENT_TYPE, len(units) // UNIT_HASH_BYTES)


def outcomes(exposed: Sequence[Body]) -> Iterator[Body]:
    """One success for each unit of some batches, with the prediction ids that a predictor would have issued."""
    issuer = Issuer(key_id=KEY_ID, secret=derive_secret(MASTER, MODEL), model=MODEL, revision="lead-v2")
    cohort = Cohort(ROLLOUT, 0, Arm.STABLE)
    for body in exposed:
        start = len(body.content) - 4 - body.records * UNIT_HASH_BYTES
        units = [body.content[at : at + 8] for at in range(start, len(body.content) - 4, UNIT_HASH_BYTES)]
        now = round(time.time() * 1_000)
        items = [{"predictionId": issuer.issue(cohort, unit, now), "outcome": "buy"} for unit in units]
        for at in range(0, len(items), OUTCOMES_A_REQUEST):
            part = items[at : at + OUTCOMES_A_REQUEST]
            yield Body(OUTCOMES_PATH, orjson.dumps(part), "application/json", len(part))


async def declare(url: str, rollout: str = ROLLOUT) -> None:
    """Declare one rollout with one outcome."""
    async with (
        aiohttp.ClientSession(url) as session,
        session.put(f"{ROLLOUTS_PATH}/{MODEL}/{rollout}", json={"metrics": [{"outcome": "buy"}]}) as answer,
    ):
        answer.raise_for_status()


async def send(url: str, bodies: Sequence[Body], pid: int, *, connections: int = CONNECTIONS) -> Rate:
    """Send everything, as fast as it is acknowledged.

    Args:
        url: of the ledger.
        bodies: requests.
        pid: process whose processor time is reported.
        connections: requests in flight.

    Raises:
        aiohttp.ClientResponseError: one was not acknowledged; the run is worth nothing then.

    """
    waiting = iter(bodies)
    started, cpu = time.perf_counter(), cpu_seconds(pid)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work() -> None:
            for body in waiting:
                headers = {"content-type": body.content_type}
                async with session.post(body.path, data=body.content, headers=headers) as answer:
                    answer.raise_for_status()
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(connections)))
    records = sum(body.records for body in bodies)
    return Rate(records, time.perf_counter() - started, cpu_seconds(pid) - cpu)


async def read_all(url: str, rollouts: int) -> float:
    """Milliseconds until the integers of all rollouts are there, with one request."""
    started = time.perf_counter()
    async with aiohttp.ClientSession(url) as session, session.get(STATISTICS_PATH) as answer:
        answer.raise_for_status()
        found = orjson.loads(await answer.read())["rollouts"]
    elapsed = (time.perf_counter() - started) * 1e3
    if len(found) < rollouts:
        raise RuntimeError(f"{len(found)} rollouts came back, not {rollouts}")
    return elapsed


async def exposed_units(url: str) -> int:
    """Units that the ledger counts in the rollout of the load."""
    async with (
        aiohttp.ClientSession(url) as session,
        session.get(STATISTICS_PATH, params={"rollout": f"{MODEL}/{ROLLOUT}"}) as answer,
    ):
        answer.raise_for_status()
        (rollout,) = orjson.loads(await answer.read())["rollouts"]
    return sum(cohort["exposures"] for cohort in rollout["cohorts"])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process used since it started."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
