"""What the reporter's thread does with batches: straight to the ledger while it answers, into the store while not.

Batches leave in the order in which they came; a retry sends the same bytes, so one whose answer was lost counts once.
"""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from bentos.front.reporting.batches import Batch
from bentos.front.reporting.sending import Answer, Fate
from bentos.front.reporting.spooling import Store
from bentos.front.reporting.statistics import Kind, Reason, Statistics

log = logging.getLogger(__name__)
_RANDOM = random.Random()  # noqa: S311 - spreads, hides nothing; the thread's own, for a model may seed the module's

FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 15.0
"""How late after an outage the first batch may come; with hundreds of pods more often would be a second outage."""
LEAVING_PAUSE_SECONDS: Final = 0.5
MAX_INNER_FAILURES: Final = 60
"""Tries of a batch at a ledger that answers and fails by itself: some 15 minutes. Then it must not stop the others."""


class Sender(Protocol):
    """Sends a batch; `sending.Ledger` in a pod."""

    def post(self, batch: Batch) -> Answer:
        """Send it once. An outage is an answer too."""

    def close(self) -> None:
        """Give up the connection."""


class Delivery:
    """The batches of one predictor on their way. For one thread alone.

    Args:
        sender: the ledger.
        store: keeps what waits for the ledger.
        statistics: counts what becomes of it.
        on_loss: called when exposures were dropped.
        clock: seconds that only grow.

    """

    def __init__(
        self,
        sender: Sender,
        store: Store,
        statistics: Statistics,
        *,
        on_loss: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._store = store
        self._statistics = statistics
        self._on_loss = on_loss
        self._clock = clock
        self._fresh: deque[Batch] = deque()
        self._failures = 0
        self._inner_failures = 0
        self._retry_at = 0.0
        self._leaving = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._fresh and not len(self._store)

    def add(self, batches: Iterable[Batch]) -> None:
        """Take new batches. They queue up in the store behind others, and wait there while the ledger is away.

        When a store without room dropped what was before them, they are what the ledger is tried with.
        """
        for batch in batches:
            self._fresh.append(batch)
            self._count_fresh(batch, 1)
        if len(self._store) or self._clock() < self._retry_at:
            self._put_away()

    def leave(self) -> None:
        """The process is about to end: retry soon."""
        self._leaving = True
        self._retry_at = min(self._retry_at, self._clock() + LEAVING_PAUSE_SECONDS)

    def pause_seconds(self) -> float | None:
        """How long until there is something to do; None: nothing waits."""
        return None if self.idle else max(0.0, self._retry_at - self._clock())

    def deliver_one(self) -> None:
        """Send the oldest batch, unless it is to wait."""
        if self._clock() < self._retry_at:
            return
        batch = self._store.oldest()
        stored = batch is not None
        if batch is None and self._fresh:
            batch = self._fresh[0]
        if batch is None:
            return
        answer = self._sender.post(batch)
        if answer.failed_inside and self._inner_failures + 1 >= MAX_INNER_FAILURES:
            answer = Answer(Fate.REFUSED, answer.detail)
        if answer.fate is Fate.LATER:
            self._postpone(answer)
            return
        self._settle(batch, answer)
        if stored:
            self._store.remove_oldest()
        else:
            self._count_fresh(self._fresh.popleft(), -1)

    def _settle(self, batch: Batch, answer: Answer) -> None:
        if self._failures:
            log.info("the ledger answers again after %d tries", self._failures)
        self._failures = self._inner_failures = 0
        self._retry_at = 0.0
        if answer.fate is Fate.TAKEN:
            self._statistics.sent[batch.kind] += batch.records
            self._statistics.last_success_seconds = time.time()
        else:
            log.error("the ledger refuses %d %s: %s", batch.records, batch.kind, answer.detail)
            self._statistics.drop(batch.kind, Reason.REFUSED, batch.records)

    def _postpone(self, answer: Answer) -> None:
        if not self._failures:
            log.warning("the ledger does not take reports: %s", answer.detail)
        self._failures += 1
        self._inner_failures = self._inner_failures + 1 if answer.failed_inside else 0
        self._statistics.retries += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10), MAX_PAUSE_SECONDS)
        if self._leaving:
            pause = LEAVING_PAUSE_SECONDS
        pause = max(pause * _RANDOM.uniform(0.5, 1.0), answer.retry_after_seconds)
        self._retry_at = self._clock() + pause
        self._put_away()

    def _put_away(self) -> None:
        while self._fresh:
            batch = self._fresh[0]  # writing takes time, in which others must not see `idle`
            kept = self._store.append(batch)
            self._count_fresh(self._fresh.popleft(), -1)
            if not kept and batch.kind is Kind.EXPOSURES:
                self._on_loss()

    def _count_fresh(self, batch: Batch, sign: int) -> None:
        if batch.kind is Kind.EXPOSURES:
            self._statistics.fresh_units += sign * batch.records
