"""The work queue: which key is reconciled next, how many at once, and when a key is looked at again.

It stands between the informers and the reconcile. Informers call `add` for every change they see; workers take
one key at a time. Three races shape it:

- A burst of events for one key is one unit of work: keys are coalesced, not queued twice.
- An event may arrive while its key is being processed, after the processing has read its snapshot. It is never
  lost: such a key is marked and runs once more.
- Two workers never hold the same key, so a reconcile needs no lock.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, runtime_checkable

import structlog

from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.runtime.timers import Timers

K = TypeVar("K", bound=Hashable)
Process = Callable[[K], Awaitable[float | None]]

log = structlog.get_logger(__name__)


@runtime_checkable
class AsksForPatience(Protocol):
    """An error that says itself how many seconds to wait; taken when it is longer than the backoff."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How the queue treats failing keys and its own end."""

    backoff: Backoff = field(default_factory=Backoff)
    """Wait after a failure, per key. Default: 0.2 s doubling to 60 s."""

    eager_seconds: float = 1.0
    """Longest time, in seconds, that backoff holds back a key for which something new arrived. Default 1: a
    person's fix takes effect at once, while a key whose own failing writes wake it up cannot spin."""

    drain_seconds: float = 10.0
    """Time, in seconds, that work in flight gets to finish when the queue is stopped. Default 10: the time-out
    of one API request; a pod has 30 s from SIGTERM to SIGKILL."""

    expected_errors: tuple[type[Exception], ...] = ()
    """Errors that are part of normal work, logged without a traceback. Default none: whoever builds the queue
    knows them."""


@dataclass(slots=True)
class QueueCounters:
    """What the queue has done since the start."""

    processed: int = 0
    """Processings that returned."""

    failed: int = 0
    """Processings that raised."""

    retries: int = 0
    """Processings that started after a failure of the same key."""

    busy_seconds: float = 0.0
    """Time spent in processings, summed over workers."""


@dataclass(slots=True)
class _Failing:
    """A key whose last processing raised."""

    failures: int
    held_until: float


class WorkQueue(Generic[K]):
    """Coalescing queue with one processing in flight per key, timers and backoff.

    All methods belong to the event loop's thread. `add` and `add_after` may be called before `run`.
    """

    def __init__(self, *, settings: QueueSettings | None = None, rng: random.Random | None = None) -> None:
        self.counters = QueueCounters()
        self._settings = settings or QueueSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._order: asyncio.Queue[K] = asyncio.Queue()
        self._ready_since: dict[K, float] = {}  # in the order of _order
        self._in_flight: dict[K, bool] = {}  # value: added again since the processing started
        self._failing: dict[K, _Failing] = {}
        self._timers: Timers[K] = Timers(self.add)
        self._busy_workers: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def depth(self) -> int:
        """Number of keys that wait for a worker."""
        return len(self._ready_since)

    @property
    def in_flight(self) -> int:
        """Number of keys being processed."""
        return len(self._in_flight)

    @property
    def failing(self) -> int:
        """Number of keys whose last processing raised."""
        return len(self._failing)

    @property
    def scheduled(self) -> int:
        """Number of keys that a timer will add."""
        return len(self._timers)

    @property
    def oldest_age_seconds(self) -> float:
        """Seconds that the key at the head of the queue has waited; 0 when none waits."""
        since = next(iter(self._ready_since.values()), None)
        return 0.0 if since is None else monotonic_seconds() - since

    def add(self, key: K) -> None:
        """Have `key` processed soon: once, however often it is added before that processing starts."""
        if key in self._in_flight:
            self._in_flight[key] = True
            return
        failing = self._failing.get(key)
        if failing is not None and failing.held_until > monotonic_seconds():
            self._timers.schedule(key, failing.held_until)
        elif key not in self._ready_since:
            self._ready_since[key] = monotonic_seconds()
            self._order.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Add `key` in `seconds`; of several such wishes for one key the earliest wins."""
        if seconds <= 0:
            self.add(key)
        else:
            self._timers.schedule(key, monotonic_seconds() + seconds)

    def forget(self, key: K) -> None:
        """Drop the timer and the failures of a key that is gone; where it already waits, it still runs."""
        self._timers.cancel(key)
        self._failing.pop(key, None)

    async def run(self, process: Process[K], *, workers: int) -> None:
        """Process keys with `workers` at once until cancelled; what is in flight then gets time to finish.

        `process` returns the seconds after which it wants to see the key again, or None. When it raises, the key
        is retried with backoff.
        """
        self._stopping = False
        tasks = [asyncio.create_task(self._work(process), name=f"queue-worker-{n}") for n in range(workers)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await self._stop(tasks)
        await asyncio.gather(*tasks)  # no worker ends by itself: raise what ended one

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        self._stopping = True
        for task in tasks:
            if task not in self._busy_workers:
                task.cancel()
        try:
            await asyncio.wait(tasks, timeout=self._settings.drain_seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _work(self, process: Process[K]) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - for the type checker: a coroutine of a task has one
        while not self._stopping:
            key = await self._order.get()
            self._busy_workers.add(me)
            try:
                await self._process(process, key)
            finally:
                self._busy_workers.discard(me)

    async def _process(self, process: Process[K], key: K) -> None:
        del self._ready_since[key]
        self._in_flight[key] = False
        self.counters.retries += key in self._failing
        started = monotonic_seconds()
        again_in: float | None = None
        try:
            again_in = await process(key)
        except asyncio.CancelledError as error:
            if self._stopping:
                self._in_flight[key] = True  # a cut processing is still owed
                raise
            # Something that the processing awaited was cancelled, not this worker: a failure like any other.
            self._note_failure(key, error)
        except Exception as error:  # noqa: BLE001 - one key's bug must not stop the others
            self._note_failure(key, error)
        else:
            self.counters.processed += 1
            self._failing.pop(key, None)
        finally:
            self.counters.busy_seconds += monotonic_seconds() - started
            if self._in_flight.pop(key):
                self.add(key)
        if again_in is not None:
            self.add_after(key, again_in)

    def _note_failure(self, key: K, error: BaseException) -> None:
        self.counters.failed += 1
        known = self._failing.get(key)
        failures = known.failures + 1 if known else 1
        wait_seconds = self._settings.backoff.delay_seconds(failures, self._rng)
        hold_seconds = min(wait_seconds, self._settings.eager_seconds)
        if isinstance(error, AsksForPatience) and error.retry_after is not None:
            asked_seconds = min(error.retry_after, self._settings.backoff.maximum_seconds)
            wait_seconds = max(wait_seconds, asked_seconds)
            hold_seconds = max(hold_seconds, asked_seconds)
        now = monotonic_seconds()
        self._failing[key] = _Failing(failures, held_until=now + hold_seconds)
        self._timers.schedule(key, now + wait_seconds)
        log.warning(
            "processing failed",
            key=str(key),
            failures=failures,
            retry_in_seconds=round(wait_seconds, 3),
            error=f"{type(error).__name__}: {error}",
            exc_info=failures == 1 and not isinstance(error, self._settings.expected_errors),
        )
