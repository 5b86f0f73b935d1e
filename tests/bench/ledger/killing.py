"""The ledger killed in the middle of load: what it acknowledged must be there afterwards, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp

from tests.bench.ledger.load import Body, declare, exposed_units, exposures
from tests.support.ledger import LedgerProcess, ledger_process, master_keys
from tests.support.operator import free_port

BATCHES: Final = 500
UNITS: Final = 50
KILL_AFTER: Final = 150
"""Acknowledged batches; others are on their way then."""


def lost_after_kill(folder: Path, prefix: Sequence[str], number: int) -> int:
    """Units that were acknowledged and are missing, or are there too often, after a SIGKILL under load."""
    settings = {
        "database_url": f"sqlite:///{folder / f'killed-{number}.db'}",
        "master_keys_path": str(master_keys(folder)),
        "unauthenticated": "true",
        "exposures_per_second": "1e9",
    }
    bodies = exposures(BATCHES, UNITS)
    with ledger_process(folder, settings, port=free_port(), prefix=prefix) as ledger:
        asyncio.run(declare(ledger.url))
        acknowledged = asyncio.run(_send_until_killed(ledger, bodies))
    if not 0 < len(acknowledged) < BATCHES:
        raise RuntimeError(f"{len(acknowledged)} of {BATCHES} batches were acknowledged: nothing was interrupted")
    with ledger_process(folder, settings, port=free_port(), prefix=prefix) as ledger:
        after = asyncio.run(exposed_units(ledger.url))
        asyncio.run(_send_all(ledger.url, bodies))
        at_last = asyncio.run(exposed_units(ledger.url))
    return max(0, len(acknowledged) * UNITS - after) + abs(BATCHES * UNITS - at_last)


async def _send_until_killed(ledger: LedgerProcess, bodies: Sequence[Body]) -> set[int]:
    """Numbers of the batches that were acknowledged before the process died."""
    acknowledged: set[int] = set()
    waiting = iter(enumerate(bodies))

    async def work(session: aiohttp.ClientSession) -> None:
        for number, body in waiting:
            try:
                async with session.post(
                    body.path, data=body.content, headers={"content-type": body.content_type}
                ) as answer:
                    answer.raise_for_status()
            except aiohttp.ClientConnectionError:
                return
            acknowledged.add(number)
            if len(acknowledged) == KILL_AFTER:
                ledger.kill()

    async with aiohttp.ClientSession(ledger.url) as session:
        await asyncio.gather(*(work(session) for _ in range(8)))
    return acknowledged


async def _send_all(url: str, bodies: Sequence[Body]) -> None:
    """Everything again, as predictors do after an outage."""
    async with aiohttp.ClientSession(url) as session:
        for body in bodies:
            async with session.post(
                body.path, data=body.content, headers={"content-type": body.content_type}
            ) as answer:
                answer.raise_for_status()
