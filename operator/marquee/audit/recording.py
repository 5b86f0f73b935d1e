"""Events become entries: the next number of their model, a time that never goes back, the author's signature.

*Log before act*: `record` returns when the entry is durable, and only then may its caller act.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from marquee.audit.committing import Committer
from marquee.audit.errors import AuditError, BusyError, FormatError, SequenceGapError, SequenceReusedError
from marquee.audit.events import INSTALLATION, Event, KeyRotated, Stamp, Subject
from marquee.audit.keys import PrivateKey, describe
from marquee.audit.log import AuditLog
from marquee.audit.statements import Statement, read_entry, write_entry


@dataclass(frozen=True)
class Receipt:
    """Where an event was entered."""

    model: str
    sequence: int
    index: int


def rotation_of(audit_log: AuditLog) -> tuple[KeyRotated, list[Subject]] | None:
    """What is to be entered of an opening with a new key; None when the newest checkpoint has its signature."""
    signers = [key.public for key in audit_log.keys.signers]
    signatures = audit_log.head.signatures
    new = [key for key in signers if not any(signature.is_by(key) for signature in signatures)]
    if not new:
        return None
    old = [key for key in audit_log.keys.public if any(signature.is_by(key) for signature in signatures)]
    event = KeyRotated(actor="marquee", retired=describe(old), successor=describe(new))
    return event, [Subject(name=f"key/{key.name}", sha256=sha256(key.raw).hexdigest()) for key in new]


class Recorder:
    """Records events through a running committer.

    Args:
        committer: of the log.
        author: the key that signs entries.
        clock: seconds since the epoch.

    """

    def __init__(self, committer: Committer, author: PrivateKey, *, clock: Callable[[], float] = time.time) -> None:
        self._committer = committer
        self._author = author
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        """A model's entries are numbered one after the other; those of different models are signed at once."""
        self._stamps: dict[str, Stamp] = {}

    def record(self, model: str, event: Event, subjects: Sequence[Subject], *, sequence: int | None = None) -> Receipt:
        """Enter an event as the next one of its model, and wait until it is durable.

        Args:
            model: ``namespace/name``, or ``*`` for the installation.
            event: what is about to happen, or has happened.
            subjects: what it is about, at least one.
            sequence: the number that the event must have. One that is there already is found again, whatever the time.

        Raises:
            FormatError: no subject is given.
            SequenceError: the number belongs to another event, or one is missing before it.
            EntryTooLargeError: it has too much in it.
            BusyError, StoreError: it is not acknowledged: do not act. Record it again with its number; without one, it
                may be entered twice.

        """
        if not subjects:
            raise FormatError(f"{model}, {event.KIND}", "is about nothing", "name a subject with its SHA-256")
        with self._turn_of(model):
            stamp = self._next(model)
            if sequence is not None and sequence != stamp.sequence:
                return self._again(model, sequence, event, tuple(subjects))
            entry = write_entry(Statement(stamp, event, tuple(subjects)), [self._author])
            future = self._committer.submit(entry)
            self._stamps[model] = stamp
        try:
            return Receipt(model, stamp.sequence, future.result())
        except AuditError:
            with self._turn_of(model):
                self._stamps.pop(model, None)  # the log knows what came of it
            raise

    def record_rotation(self) -> Receipt | None:
        """After an opening with a new key: an entry that says so. None when the newest checkpoint has its signature."""
        found = rotation_of(self._committer.log)
        return None if found is None else self.record(INSTALLATION, *found)

    def _turn_of(self, model: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(model, threading.Lock())

    def _again(self, model: str, sequence: int, event: Event, subjects: tuple[Subject, ...]) -> Receipt:
        """The same event again, after its first answer was lost."""
        where, course = f"{model}, sequence {sequence}", self._committer.log.course(model)
        if sequence > course.last + 1:
            raise SequenceGapError(where, f"follows entry {course.last}", f"record entry {course.last + 1} first")
        if sequence == course.last + 1:
            raise BusyError(where, "is being written", "record it again in a moment")
        if sequence not in course.recent:
            raise SequenceReusedError(where, "is too old to be compared", "look for it in the log")
        index, _ = course.recent[sequence]
        found = read_entry(self._committer.log.entry(index), f"entry {index}")
        if (found.event, found.subjects) != (event, subjects):
            what = f"belongs to another event, at index {index}"
            raise SequenceReusedError(where, what, f"read that entry; the next number is {course.last + 1}")
        return Receipt(model, sequence, index)

    def _next(self, model: str) -> Stamp:
        known = self._stamps.get(model)
        if known is None:
            course = self._committer.log.course(model, settled=False)
            last, latest = course.last, course.time
        else:
            last, latest = known.sequence, known.time
        now = datetime.fromtimestamp(self._clock(), UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        behind = max(0, round((latest - now).total_seconds()))
        return Stamp(model=model, sequence=last + 1, time=max(now, latest), clock_behind_seconds=behind)
