"""Open-loop HTTP load at a fixed rate, against addresses of the test cluster only, bounded in time."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
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

    Args:
        url: On loopback or in the test cluster.
        body: Of every request.
        rate: Requests a second.
        headers_of: The headers of a request by its number, from 0.
        on_answer: Called with the number of each request that was answered with 200, and the answer.

    """

    def __init__(
        self,
        url: str,
        body: dict[str, Any],
        *,
        rate: float,
        headers_of: Callable[[int], Mapping[str, str]] = lambda _: {},
        on_answer: Callable[[int, dict[str, Any]], None] = lambda _number, _answer: None,
    ) -> None:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
        if not any(address in network for network in _ALLOWED):
            raise ValueError(f"{url}: load goes to loopback or to the test cluster only")
        self.url, self.body, self.rate = url, body, rate
        self.report = LoadReport()
        self._headers_of, self._on_answer = headers_of, on_answer
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
                pending.add(asyncio.create_task(self._send(sent, shared if sent % 2 else None)))
                pending = {task for task in pending if not task.done()}
                sent += 1
                await asyncio.sleep(max(0.0, started + sent / self.rate - time.perf_counter()))
            await asyncio.gather(*pending)
        return self.report

    async def _send(self, number: int, shared: aiohttp.ClientSession | None) -> None:
        try:
            if shared is not None:
                await self._post(number, shared)
            else:
                async with aiohttp.ClientSession() as own:
                    await self._post(number, own)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self.report.failures.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")

    async def _post(self, number: int, session: aiohttp.ClientSession) -> None:
        timeout, headers = aiohttp.ClientTimeout(total=10), self._headers_of(number)
        async with session.post(self.url, json=self.body, headers=headers, timeout=timeout) as answer:
            # A gateway's own errors are no JSON.
            text = await answer.text()
            if answer.status == 200:
                reply = json.loads(text)
                self.report.answered[reply["revision"]] += 1
                self.report.order.append(reply["revision"])
                self._on_answer(number, reply)
            else:
                self.report.failures.append(f"{time.strftime('%H:%M:%S')} {answer.status}: {text[:200]}")


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
