"""Keeps the integers of running rollouts at hand: one task asks the ledger, everybody else looks at what it found.

A decision never waits for the ledger. The observer takes the last `Reading`; when integers change, the model is
looked at again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from marquee.contract.ledger import RolloutStatistics
from marquee.control.ledger.errors import LedgerError
from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.clock import monotonic_seconds, utc_now
from marquee.control.snapshot import ModelKey, Reading

log = structlog.get_logger(__name__)

ReadStatistics = Callable[[], Awaitable[tuple[RolloutStatistics, ...] | None]]
"""All open rollouts; None when nothing has changed. Raises `LedgerError`. `LedgerClient.statistics` is one."""


@dataclass(frozen=True, slots=True)
class FollowerSettings:
    """The follower's periods."""

    interval_seconds: float = 10.0
    """Pause, in seconds, between two requests. Default 10: a step lasts minutes at least."""

    settle_seconds: float = 0.2
    """Shortest pause, in seconds. Default 0.2: a thousand rollouts that are followed within a moment, as when the
    operator starts, cost a few requests."""

    backoff: Backoff = field(default_factory=lambda: Backoff(initial_seconds=1.0, maximum_seconds=30.0))
    """Pauses while the ledger cannot be read. Default 1 to 30 s: evidence is half a minute late after an outage."""


@dataclass(slots=True)
class FollowerCounters:
    """Since the start."""

    reads: int = 0
    """Requests that were answered, "nothing has changed" included."""
    failures: int = 0


@dataclass(slots=True, eq=False)
class _Interest:
    """One followed rollout. A new one each time, so that an answer that was asked for before it does not count."""

    rollout: str
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class _Outage:
    why: str
    since: datetime


class LedgerFollower:
    """Reads the statistics of all open rollouts while at least one is of interest.

    Args:
        read: asks the ledger.
        on_change: called when `reading` of a model says something new: it was read for the first time, its
            revision changed, it appeared or went, or an outage began or ended.
        settings: periods.
        now: wall clock.
        rng: draws the jitter of pauses after failures.

    """

    def __init__(
        self,
        read: ReadStatistics,
        on_change: Callable[[ModelKey], None],
        *,
        settings: FollowerSettings | None = None,
        now: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
    ) -> None:
        self.counters = FollowerCounters()
        self._read = read
        self._on_change = on_change
        self._settings = settings or FollowerSettings()
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._interests: dict[ModelKey, _Interest] = {}
        self._latest: Mapping[tuple[str, str], RolloutStatistics] = {}
        """All of the last full answer, by model and rollout: "nothing has changed" is about all of it."""
        self._outage: _Outage | None = None
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self._fresh_at = 0.0

    @property
    def followed(self) -> int:
        """Number of rollouts of interest."""
        return len(self._interests)

    @property
    def age_seconds(self) -> float | None:
        """Time since the ledger last answered, or since there is interest; None while there is none."""
        return monotonic_seconds() - self._fresh_at if self._interests else None

    def follow(self, key: ModelKey, rollout: str | None) -> None:
        """Keep the statistics of a model's rollout at hand from now on; None: of none. Costs nothing when repeated."""
        known = self._interests.get(key)
        if rollout is None:
            self.forget(key)
        elif known is None or known.rollout != rollout:
            if not self._interests:
                self._fresh_at = monotonic_seconds()
            self._interests[key] = _Interest(rollout)
            self._wanted.set()
            self._news.set()

    def forget(self, key: ModelKey) -> None:
        """The model is gone, or has no rollout any more."""
        self._interests.pop(key, None)
        if not self._interests:
            self._wanted.clear()
            self._outage = None  # nobody looks any more, so nobody can say that it lasts

    def reading(self, key: ModelKey) -> Reading | None:
        """What is known of the rollout that is followed for a model. None: not read yet, or none is followed."""
        interest = self._interests.get(key)
        if interest is None:
            return None
        if self._outage is None:
            return interest.reading
        known = interest.reading or Reading(None, "", self._outage.since)
        return Reading(known.statistics, self._outage.why, known.as_of, self._outage.since)

    async def run(self) -> None:
        """Read until cancelled."""
        failures = 0
        while True:
            await self._wanted.wait()
            try:
                await self._look()
            except LedgerError as error:
                failures += 1
                self._lost(error)
                await asyncio.sleep(self._settings.backoff.delay_seconds(failures, self._rng))
            else:
                failures = 0
                await self._pause()

    async def _pause(self) -> None:
        """Until the interval is over or a rollout has come that was not read yet."""
        await asyncio.sleep(self._settings.settle_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.interval_seconds - self._settings.settle_seconds):
                await self._news.wait()

    async def _look(self) -> None:
        """Ask once, and tell whom the answer concerns."""
        self._news.clear()
        asked_at = self._now()
        asking = dict(self._interests)
        statistics = await self._read()
        self.counters.reads += 1
        self._fresh_at = monotonic_seconds()
        if statistics is not None:
            self._latest = {(one.model, one.rollout): one for one in statistics}
        ended, self._outage = self._outage, None
        if ended is not None:
            log.info("the ledger can be read again", since=ended.since.isoformat())
        for key, interest in asking.items():
            if self._interests.get(key) is not interest:
                continue
            before = interest.reading
            found = self._latest.get(("/".join(key), interest.rollout))
            interest.reading = Reading(found, "", asked_at)
            if ended is not None or before is None or _revision(before.statistics) != _revision(found):
                self._on_change(key)

    def _lost(self, error: LedgerError) -> None:
        """Remember why, and tell everybody once."""
        self.counters.failures += 1
        began = self._outage is None
        self._outage = _Outage(str(error), self._outage.since if self._outage else self._now())
        if began:
            log.warning("the ledger cannot be read", error=str(error))
            for key in tuple(self._interests):
                self._on_change(key)


def _revision(statistics: RolloutStatistics | None) -> int | None:
    return None if statistics is None else statistics.revision
