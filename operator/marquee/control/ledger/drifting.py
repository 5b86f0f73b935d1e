"""Keeps verdicts on drift at hand: one task asks the ledger for the windows of one model after the other.

A decision never waits for it, and neither do users. The windows are judged in a thread, as a month of sixty features
takes a good part of a second; the verdict follows from them alone, so nothing is kept from one look to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from marquee.api.drift import Drift
from marquee.contract.drift import DriftReply
from marquee.control.decide.plan import DriftQuestion
from marquee.control.ledger.errors import LedgerError
from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.snapshot import DriftReading, ModelKey
from marquee.evidence.errors import EvidenceError
from marquee.judging.drifting import DriftVerdict, judge_drift

log = structlog.get_logger(__name__)

SHORTEST_PAUSE_SECONDS: Final = 0.2
AGAIN_SECONDS: Final = 30.0
"""After a failure."""


class ReadWindows(Protocol):
    """`LedgerClient.drift` is one."""

    def __call__(
        self, model: str, revision: str, drift: Drift, /, *, etag: str = ""
    ) -> Awaitable[tuple[DriftReply, str] | None]:
        """The windows with their tag; None when nothing has changed. Raises `LedgerError`."""


@dataclass(slots=True)
class DriftCounters:
    """Since the start."""

    reads: int = 0
    """Answers of the ledger, "nothing has changed" included."""
    failures: int = 0
    verdicts: int = 0
    """Times that windows were judged."""


@dataclass(slots=True, eq=False)
class _Interest:
    """One followed model. A new one each time, so that an answer that was asked for before it does not count."""

    question: DriftQuestion
    due_at: float = 0.0
    etag: str = ""
    reading: DriftReading | None = None


class DriftFollower:
    """Judges the windows of every model that is of interest, once in an interval.

    Args:
        read: asks the ledger.
        on_change: called when `reading` of a model says something new.
        interval_seconds: between two questions about a model.
        judge: windows to a verdict; runs in a thread.

    """

    def __init__(
        self,
        read: ReadWindows,
        on_change: Callable[[ModelKey], None],
        *,
        interval_seconds: float = 300.0,
        judge: Callable[[DriftReply, Drift], DriftVerdict] = judge_drift,
    ) -> None:
        self.counters = DriftCounters()
        self._read = read
        self._on_change = on_change
        self._interval = interval_seconds
        self._judge = judge
        self._interests: dict[ModelKey, _Interest] = {}
        self._news = asyncio.Event()

    @property
    def followed(self) -> int:
        """Number of models of interest."""
        return len(self._interests)

    def follow(self, key: ModelKey, question: DriftQuestion | None) -> None:
        """Keep the verdict on a model at hand from now on; None: on none. Costs nothing when repeated."""
        known = self._interests.get(key)
        if question is None:
            self.forget(key)
        elif known is None or known.question != question:
            self._interests[key] = _Interest(question)
            self._news.set()

    def forget(self, key: ModelKey) -> None:
        """The model is gone, or is not watched any more."""
        self._interests.pop(key, None)

    def reading(self, key: ModelKey) -> DriftReading | None:
        """What is known; None: not read yet, or not followed."""
        interest = self._interests.get(key)
        return None if interest is None else interest.reading

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self._news.clear()
            now = monotonic_seconds()
            for key, interest in [pair for pair in self._interests.items() if pair[1].due_at <= now]:
                await self._look(key, interest)
            due = min((interest.due_at for interest in self._interests.values()), default=None)
            pause = None if due is None else max(SHORTEST_PAUSE_SECONDS, due - monotonic_seconds())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def _look(self, key: ModelKey, interest: _Interest) -> None:
        before, question = interest.reading, interest.question
        interest.due_at = monotonic_seconds() + self._interval
        verdict = before.verdict if before is not None else None
        try:
            answer = await self._read("/".join(key), question.revision, question.drift, etag=interest.etag)
            self.counters.reads += 1
            if answer is not None:
                reply, interest.etag = answer
                verdict = await asyncio.to_thread(self._judge, reply, question.drift)
                self.counters.verdicts += 1
            reading = DriftReading(question.revision, verdict)
        except (LedgerError, EvidenceError) as error:
            log.warning("drift cannot be judged", model="/".join(key), error=str(error))
            reading = self._failed(interest, verdict, str(error))
        except Exception as error:  # a verdict on drift must not end what moves traffic
            log.exception("drift cannot be judged", model="/".join(key))
            reading = self._failed(interest, verdict, f"{type(error).__name__}: a bug, please report it")
        interest.reading = reading
        if self._interests.get(key) is interest and reading != before:
            self._on_change(key)

    def _failed(self, interest: _Interest, verdict: DriftVerdict | None, why: str) -> DriftReading:
        """What is known after a failure; everything is read anew, and soon."""
        self.counters.failures += 1
        interest.etag = ""
        interest.due_at = monotonic_seconds() + min(self._interval, AGAIN_SECONDS)
        return DriftReading(interest.question.revision, verdict, f"drift can't be judged: {why}")
