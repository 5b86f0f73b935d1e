"""Enters decisions in the audit log before they are acted upon: numbered, linked and signed, once each.

What is known of a model's newest entry is kept in memory and asked for when it is not. A decision that leads where the
newest entry leads is in the log already, whoever entered it: an operator that was killed before its write, or this one
before its answer was lost.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import structlog

from marquee.audit.errors import AuditError
from marquee.audit.events import (
    ApprovalChanged,
    DriftJudged,
    Event,
    FreezesChanged,
    KillSwitchTurned,
    RetrainingChanged,
    RolloutStepped,
    Stamp,
)
from marquee.audit.keys import PrivateKey
from marquee.audit.statements import Statement, read_entry, read_stamp, write_entry
from marquee.contract.audit import EnteredReply, LoggedEntry
from marquee.control.decide.drift_entered import decision_of
from marquee.control.decide.freezes_entered import list_of
from marquee.control.decide.plan import Entry, RunEntry
from marquee.control.ledger.errors import LedgerError, LedgerNotUnderstoodError, OutOfSequenceError
from marquee.control.runtime.clock import utc_now
from marquee.control.snapshot import Decision, LogReading, ModelKey, RunMark

log = structlog.get_logger(__name__)


class AuditClient(Protocol):
    """The part of `LedgerClient` that is about the audit log."""

    async def newest_entries(self, model: str) -> tuple[LoggedEntry, ...]:
        """A model's newest entries, the newest first. Raises `LedgerError`."""
        ...

    async def append_entry(self, entry: bytes) -> EnteredReply:
        """Enter one. Raises `LedgerError`."""
        ...


@dataclass(frozen=True, slots=True)
class Author:
    """Who enters: the key, and what entries say of this process."""

    key: PrivateKey
    actor: str
    code: str
    """The operator's version."""


@dataclass(frozen=True, slots=True)
class _Newest:
    sequence: int = 0
    index: int | None = None
    time: datetime | None = None
    decision: Decision | None = None
    decided: datetime | None = None
    """Time of the entry that says so: entries about retraining may follow it."""
    marks: frozenset[RunMark] = frozenset()

    @property
    def reading(self) -> LogReading:
        """As decisions see it."""
        return LogReading(self.decision, self.decided, marks=self.marks)


@dataclass(slots=True)
class DecisionLog:
    """One operator's hand in the log.

    Args:
        client: of the ledger that keeps it.
        author: who signs.
        now: wall clock.

    """

    client: AuditClient
    author: Author
    now: Callable[[], datetime] = utc_now
    failures: int = 0
    entered: int = 0
    _newest: dict[ModelKey, _Newest] = field(default_factory=dict)
    _failed: dict[ModelKey, tuple[str, datetime]] = field(default_factory=dict)

    def reading(self, key: ModelKey) -> LogReading:
        """What is known of a model, for its next decision."""
        newest, (failure, at) = self._newest.get(key), self._failed.get(key, ("", None))
        if newest is None:
            return LogReading(failure=failure, failed_at=at)
        return replace(newest.reading, failure=failure, failed_at=at)

    def forget(self, key: ModelKey) -> None:
        """The model is gone."""
        self._newest.pop(key, None)
        self._failed.pop(key, None)

    async def enter(self, key: ModelKey, entries: Sequence[Entry]) -> None:
        """Enter those that the log does not have; returns when all are durable.

        Raises:
            LedgerError: it is not to be had, or refuses. Some may have been entered; entering them again finds them.

        """
        await self._safely(key, partial(self._enter, key, entries))

    async def look(self, key: ModelKey) -> LogReading:
        """What the log says of a model, asked for when it is not known. Raises `LedgerError`."""
        newest = self._newest[key] = self._newest.get(key) or await self._look(key)
        return newest.reading

    async def enter_runs(self, key: ModelKey, entries: Sequence[RunEntry]) -> None:
        """The same of entries about retraining. Raises like `enter`."""
        await self._safely(key, partial(self._enter_runs, key, entries))

    async def _safely(self, key: ModelKey, enter: Callable[[], Awaitable[None]]) -> None:
        try:
            try:
                await enter()
            except OutOfSequenceError:  # another operator led meanwhile, or an answer was lost
                self._newest.pop(key, None)
                await enter()
        except LedgerError as error:
            self.failures += 1
            self._newest.pop(key, None)
            if key not in self._failed:
                log.warning("nothing can be entered in the audit log", model="/".join(key), error=str(error))
            self._failed[key] = (str(error), self.now())
            raise
        self._failed.pop(key, None)

    async def _enter(self, key: ModelKey, entries: Sequence[Entry]) -> None:
        newest = self._newest.get(key) or await self._look(key)
        for entry in entries[_known(newest.reading, entries) :]:
            newest = await self._append(key, newest, entry)
            newest = replace(newest, decision=entry.decision, decided=newest.time)
        self._newest[key] = newest

    async def _enter_runs(self, key: ModelKey, entries: Sequence[RunEntry]) -> None:
        newest = self._newest.get(key) or await self._look(key)
        for entry in entries:
            if entry.mark not in newest.marks:
                newest = await self._append(key, newest, entry)
                newest = replace(newest, marks=newest.marks | {entry.mark})
        self._newest[key] = newest

    async def _look(self, key: ModelKey) -> _Newest:
        found = await self.client.newest_entries("/".join(key))
        if not found:
            return _Newest()
        try:
            entries = [base64.b64decode(one.entry, validate=True) for one in found]
            stamps = [read_stamp(entry, f"entry {one.index}") for entry, one in zip(entries, found, strict=True)]
        except (AuditError, ValueError) as error:
            raise LedgerNotUnderstoodError(f"the newest entries of {'/'.join(key)} cannot be read: {error}") from error
        events = [_event_in(entry) for entry in entries]
        marks = frozenset(_mark_of(event) for event in events if isinstance(event, RetrainingChanged))
        newest = _Newest(stamps[0].sequence, found[0].index, stamps[0].time, marks=marks)
        if (last := _last_decision(events)) is None:
            return newest
        number, decision = last
        return replace(newest, decision=decision, decided=stamps[number].time)

    async def _append(self, key: ModelKey, newest: _Newest, entry: Entry | RunEntry) -> _Newest:
        stamp = self._stamp(key, newest)
        event = entry.event.model_copy(update={"actor": self.author.actor, "code": self.author.code})
        try:
            written = write_entry(Statement(stamp, event, entry.subjects), [self.author.key])
        except AuditError as error:  # too large: nothing of it can be entered, so nothing of it is done
            raise LedgerNotUnderstoodError(f"the entry of {'/'.join(key)}: {error}") from error
        reply = await self.client.append_entry(written)
        self.entered += 1
        return replace(newest, sequence=stamp.sequence, index=reply.index, time=stamp.time)

    def _stamp(self, key: ModelKey, newest: _Newest) -> Stamp:
        """A clock that went back gives the time of the entry before, and says so."""
        now = self.now().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        time = max(now, newest.time) if newest.time is not None else now
        return Stamp(
            model="/".join(key),
            sequence=newest.sequence + 1,
            time=time,
            clock_behind_seconds=max(0, round((time - now).total_seconds())),
            previous=newest.index,
            author=self.author.key.public.text,
        )


def _known(newest: LogReading, entries: Sequence[Entry]) -> int:
    """How many of the entries the log has: late ones come first, and at most one that is not late follows."""
    late = [entry.decision for entry in entries if entry.decision.acted]
    if len(late) < len(entries) and newest.has(entries[-1].decision, late):
        return len(entries)
    return newest.paid(late)


def _event_in(entry: bytes) -> Event | None:
    """What an entry of this version says; None for one of another version."""
    try:
        return read_entry(entry).event
    except AuditError:
        return None


def _last_decision(events: Sequence[Event | None]) -> tuple[int, Decision] | None:
    """The newest decision, and which of the entries it is: only those about retraining may follow it."""
    for number, event in enumerate(events):
        if not isinstance(event, RetrainingChanged):
            decision = _decision_of(event)
            return (number, decision) if decision is not None else None
    return None


def _mark_of(event: RetrainingChanged) -> RunMark:
    return RunMark(event.model_uid, event.run, event.change)


def _decision_of(event: Event | None) -> Decision | None:
    """Where it leads; None for another kind, which no decision of ours is."""
    if isinstance(event, KillSwitchTurned) and event.turned is not None:
        at, stage = event.turned.isoformat(timespec="milliseconds"), "Engaged" if event.engaged else "Lifted"
        return Decision(f"kill-switch@{at}", 0, stage, (), event.model_uid)
    if isinstance(event, DriftJudged):
        return decision_of(event)
    if isinstance(event, FreezesChanged):
        return list_of(event)
    if isinstance(event, ApprovalChanged):
        return Decision(f"approval@{event.approval_uid}", 0, event.change, (), event.model_uid)
    if not isinstance(event, RolloutStepped):
        return None
    shares = tuple(sorted((share.revision, share.permille) for share in event.shares))
    acted = event.acted.isoformat(timespec="milliseconds") if event.acted is not None else ""
    return Decision(event.rollout, event.step, event.stage, shares, event.model_uid, acted)
