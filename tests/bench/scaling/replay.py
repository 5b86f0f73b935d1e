"""Sends requests at the times that counts per interval give them, and keeps what became of each.

The load is open: a request is sent when its time has come, whatever became of those before. One that cannot be sent in
time, because the sender is behind, has its wait counted: latency runs from the time at which it was due.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

_ALLOWED: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("198.18.0.0/15"))
TIMEOUT_SECONDS: Final = 10.0
NO_ANSWER: Final = 0
"""Status of a request that was never answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was due, in seconds from the start, and what became of it."""

    due: float
    seconds: float
    """From then to the whole answer, or to giving up."""
    status: int
    ended: float = 0.0
    """By the machine's monotonic clock."""


def due_times(counts: Iterable[int], interval_seconds: float) -> Iterator[float]:
    """Seconds from the start: each interval's requests at equal distances."""
    for number, count in enumerate(counts):
        yield from (interval_seconds * (number + (place + 0.5) / count) for place in range(count))


class Replay:
    """Requests to one address of loopback or of the test cluster.

    Args:
        url: takes POST.
        body: of every request, as JSON.
        on_answer: called with each answer as it comes.

    """

    def __init__(self, url: str, body: dict[str, Any], on_answer: Callable[[Answer], None] = lambda _: None) -> None:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
        if not any(address in network for network in _ALLOWED):
            raise ValueError(f"{url}: load goes to loopback or to the test cluster only")
        self._url, self._body, self._on_answer = url, body, on_answer
        self.answers: list[Answer] = []
        self._stopped = False

    def stop(self) -> None:
        """Send no more."""
        self._stopped = True

    async def run(self, due: Iterable[float]) -> list[Answer]:
        """Send one request at each of these times, in seconds from now, and wait for all answers.

        Each has a connection of its own: a Service balances connections, and so a new pod gets its part of the load at
        once, as it does behind a gateway.
        """
        pending: set[asyncio.Task[None]] = set()
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            started = time.monotonic()
            for moment in due:
                await asyncio.sleep(max(0.0, started + moment - time.monotonic()))
                if self._stopped:
                    break
                task = asyncio.create_task(self._send(session, started, moment))
                pending.add(task)
                task.add_done_callback(pending.discard)
            await asyncio.gather(*pending)
        return self.answers

    async def _send(self, session: aiohttp.ClientSession, started: float, due: float) -> None:
        status = NO_ANSWER
        try:
            async with session.post(self._url, json=self._body) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        ended = time.monotonic()
        self.answers.append(found := Answer(due, ended - started - due, status, ended))
        self._on_answer(found)
