"""Users at a fixed rate, half of them known by their bucket; they buy as they please, and the ledger hears of it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from demo.purchases import Purchases
from marquee.client.assignment import unit_headers
from marquee.contract.pod import HEADER_BUCKET
from tests.bench.traffic.measuring import Answer
from tests.support.load import Load

RATE: Final = 200.0
LIMIT_SECONDS: Final = 1_800.0
CORE: Final = 1
"""Of the load, where the machine has more than one: it competes with nothing that it measures on the other ones."""
_END_SECONDS: Final = 30.0


class Users:
    """The load of a whole run, in a thread of its own.

    Args:
        url: Where the model answers.
        model: ``namespace/name``.
        inputs: What is asked.
        purchases: What users do after their predictions.

    """

    def __init__(self, url: str, model: str, inputs: Mapping[str, Any], purchases: Purchases) -> None:
        self.answers: list[Answer] = []
        self.load = Load(
            f"{url}/predict",
            {"inputs": dict(inputs)},
            rate=RATE,
            headers_of=self._headers_of,
            on_answer=self._take,
        )
        self._model = model
        self.purchases = purchases
        self._buckets: dict[int, int] = {}
        """Of the requests that are on their way."""

    @contextmanager
    def asking(self) -> Iterator[Users]:
        """Ask while the block runs."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._run()), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(self.load.stop)
            thread.join(_END_SECONDS)
            loop.close()

    async def _run(self) -> None:
        if CORE in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {CORE})  # this thread alone
        await self.load.run(limit_seconds=LIMIT_SECONDS)

    def _headers_of(self, number: int) -> Mapping[str, str]:
        """Every other pair of requests, so that both kinds of connection carry both kinds of user."""
        if number // 2 % 2:
            return {}
        headers = unit_headers(self._model, f"user-{number}")
        self._buckets[number] = int(headers[HEADER_BUCKET])
        return headers

    def _take(self, number: int, answer: dict[str, Any]) -> None:
        revision = answer["revision"]
        self.answers.append(Answer(time.monotonic(), revision, self._buckets.pop(number, None)))
        self.purchases.after(answer["predictionId"], revision)
