"""Open-loop HTTP load at a fixed rate, against addresses of the test cluster only, bounded in time."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

_ALLOWED = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("198.18.0.0/15"))


@dataclass(slots=True)
class LoadReport:
    """What came back."""

    answered: Counter[str] = field(default_factory=Counter)
    """Requests answered with 200, by the revision that answered."""
    failures: list[str] = field(default_factory=list)
    """One line for each request that was not."""
    order: list[str] = field(default_factory=list)
    """The answering revision of each request, in the order of the answers."""

    @property
    def total(self) -> int:
        """Requests sent."""
        return sum(self.answered.values()) + len(self.failures)


class Load:
    """Sends one request every ``1 / rate`` seconds until stopped, whatever became of the ones before.

    Half of the requests open a connection of their own, the others share kept-alive ones: both kinds of client
    exist, and each loses requests in its own way.
    """

    def __init__(self, url: str, body: dict[str, Any], *, rate: float) -> None:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
        if not any(address in network for network in _ALLOWED):
            raise ValueError(f"{url}: load goes to loopback or to the test cluster only")
        self.url, self.body, self.rate = url, body, rate
        self.report = LoadReport()
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End after the requests in flight."""
        self._stop.set()

    async def run(self, *, limit_seconds: float) -> LoadReport:
        """Send until stopped, at most ``limit_seconds``."""
        pending: set[asyncio.Task[None]] = set()
        started = time.perf_counter()
        async with aiohttp.ClientSession() as shared:
            sent = 0
            while not self._stop.is_set() and time.perf_counter() - started < limit_seconds:
                pending.add(asyncio.create_task(self._send(shared if sent % 2 else None)))
                pending = {task for task in pending if not task.done()}
                sent += 1
                await asyncio.sleep(max(0.0, started + sent / self.rate - time.perf_counter()))
            await asyncio.gather(*pending)
        return self.report

    async def _send(self, shared: aiohttp.ClientSession | None) -> None:
        try:
            if shared is not None:
                await self._post(shared)
            else:
                async with aiohttp.ClientSession() as own:
                    await self._post(own)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.report.failures.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")

    async def _post(self, session: aiohttp.ClientSession) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        async with session.post(self.url, json=self.body, timeout=timeout) as answer:
            document = await answer.json(content_type=None)
            if answer.status == 200:
                self.report.answered[document["revision"]] += 1
                self.report.order.append(document["revision"])
            else:
                self.report.failures.append(f"{time.strftime('%H:%M:%S')} {answer.status}: {document}")


async def load_during(url: str, body: dict[str, Any], *, rate: float, change: Callable[[], None]) -> LoadReport:
    """Load on an address while ``change`` runs in a thread, and for two seconds before and after."""
    load = Load(url, body, rate=rate)
    running = asyncio.create_task(load.run(limit_seconds=120))
    await asyncio.sleep(2)
    try:
        await asyncio.to_thread(change)
        await asyncio.sleep(2)
    finally:
        load.stop()
        report = await running
    return report
