"""Group commit: whatever arrives while the disk writes goes into the next group, and shares its one durable write.

One thread owns the log. It also signs: a checkpoint follows the first entry that has none within `CHECKPOINT_SECONDS`.
All waiting is by the monotonic clock, so that a clock that is set back delays nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import AuditError, BusyError, StoreError
from marquee.audit.log import AuditLog

log = logging.getLogger(__name__)

MAX_GROUP_ENTRIES: Final = 1_000
MAX_GROUP_BYTES: Final = 8 * 2**20
MAX_WAITING: Final = 100_000
CHECKPOINT_SECONDS: Final = 0.5
"""After the first entry that is in none: with the time that signing takes, a checkpoint is at most a second behind."""
_RETRY_SECONDS: Final = 1.0


@dataclass(slots=True)
class Counters:
    """What the committer did since it started."""

    entries: int = 0
    groups: int = 0
    checkpoints: int = 0
    failures: int = 0
    behind_seconds_max: float = 0.0
    """The longest that an acknowledged entry waited for its checkpoint."""
    signed_at: float = 0.0
    """When a checkpoint was signed last, in seconds since 1970; 0: none was."""


@dataclass(slots=True)
class _Waiting:
    entry: bytes
    future: Future[int]


class Committer:
    """Takes entries from any thread and answers when they are durable.

    Args:
        audit_log: open; `stop` closes it.
        checkpoint_seconds: see `CHECKPOINT_SECONDS`.

    """

    def __init__(self, audit_log: AuditLog, *, checkpoint_seconds: float = CHECKPOINT_SECONDS) -> None:
        self.log = audit_log
        self._checkpoint_seconds = checkpoint_seconds
        self._queue: deque[_Waiting] = deque()
        self._wakes = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="audit-committer", daemon=True)
        self._behind_since: float | None = None
        self._due: float | None = None
        self.counters = Counters()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, sign, close the log, end the thread. Raises `StoreError` when signing failed."""
        with self._wakes:
            self._stopping = True
            self._wakes.notify()
        self._thread.join()
        self.log.close()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def behind_seconds(self) -> float:
        """How long the oldest entry that is in no checkpoint has waited for one; 0 when there is none."""
        since = self._behind_since
        return 0.0 if since is None else time.monotonic() - since

    def submit(self, entry: bytes) -> Future[int]:
        """Enter something; the future has its index once it is durable, or the `AuditError` that refused it.

        Raises:
            BusyError: too much waits already.

        """
        waiting = _Waiting(entry, Future())
        with self._wakes:
            if self._stopping or len(self._queue) >= MAX_WAITING:
                raise BusyError("audit log", f"{len(self._queue):,} entries wait to be written", "send it again later")
            self._queue.append(waiting)
            self._wakes.notify()
        return waiting.future

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group:
                self._append(group)
            elif self._stopping:
                return
            if self._due is not None and time.monotonic() >= self._due:
                self._checkpoint()

    def _next_group(self) -> list[_Waiting]:
        """The next entries; none when a checkpoint is due first, or there will be none any more."""
        group: list[_Waiting] = []
        size = 0
        with self._wakes:
            timeout = None if self._due is None else max(0.0, self._due - time.monotonic())
            self._wakes.wait_for(lambda: self._queue or self._stopping, timeout)
            while self._queue and len(group) < MAX_GROUP_ENTRIES and size < MAX_GROUP_BYTES:
                group.append(self._queue.popleft())
                size += len(group[-1].entry)
        return group

    def _append(self, group: list[_Waiting]) -> None:
        try:
            outcomes = self.log.append([waiting.entry for waiting in group])
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may wait for ever
            self.counters.failures += 1
            log.error("%d entries were not acknowledged: %s", len(group), error)
            outcomes = [_as_audit_error(error)] * len(group)
        else:
            self.counters.groups += 1
            self._note_unsigned()
        for waiting, outcome in zip(group, outcomes, strict=True):
            if not waiting.future.set_running_or_notify_cancel():  # the sender has gone
                continue
            if isinstance(outcome, AuditError):
                waiting.future.set_exception(outcome)
            else:
                self.counters.entries += 1
                waiting.future.set_result(outcome)

    def _note_unsigned(self) -> None:
        if self._behind_since is None and self.log.size > self.log.head.checkpoint.size:
            self._behind_since = time.monotonic()
            self._due = self._behind_since + self._checkpoint_seconds

    def _checkpoint(self) -> None:
        try:
            self.log.checkpoint()
        except Exception as error:  # noqa: BLE001 - the entries are safe; the next try may work
            self.counters.failures += 1
            self._due = time.monotonic() + _RETRY_SECONDS
            log.error("no checkpoint was signed, it is tried again: %s", error)
            return
        self.counters.checkpoints += 1
        self.counters.signed_at = time.time()
        if self._behind_since is not None:
            behind = time.monotonic() - self._behind_since
            self.counters.behind_seconds_max = max(self.counters.behind_seconds_max, behind)
        self._behind_since = self._due = None


def _as_audit_error(error: Exception) -> AuditError:
    if isinstance(error, AuditError):
        return error
    return StoreError("audit log", f"failed ({error!r})", "the log's own messages say why; send it again")
