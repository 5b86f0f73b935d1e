"""Group commit: whatever arrives while the database writes goes into the next transaction together.

One thread owns the writing. Under load a group holds hundreds of requests and shares one fsync; alone, a request waits
for nobody. A reply is given only after the commit. When an entry contradicts the book, its group is halved until the
entry is alone, so that it costs the others nothing but time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError

from marquee.ledger.book.entries import Entry, Reply
from marquee.ledger.book.posting import post
from marquee.ledger.errors import (
    BusyError,
    LedgerError,
    RejectedError,
    SealBrokenError,
    StoreUnavailableError,
    UnwritableError,
)
from marquee.ledger.store.database import Database

log = logging.getLogger(__name__)

MAX_GROUP_ENTRIES: Final = 500
MAX_GROUP_RECORDS: Final = 100_000
MAX_WAITING_RECORDS: Final = 1_000_000
"""Units and outcomes that may wait to be written: some 10 to 100 MB."""
_TRIES: Final = 2
"""A connection that broke while nobody looked fails once; the next one works."""
_TRY_AGAIN: Final = "the ledger's database does not take entries at the moment; send it again"


@dataclass(slots=True)
class Counters:
    """What the committer did since it started."""

    commits: int = 0
    failures: int = 0
    records: int = 0


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    records: int
    future: asyncio.Future[Reply]
    outcome: Reply | LedgerError | None = None


class Committer:
    """Takes entries from the event loop and answers when they are durable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._wakes = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiting_records = 0
        self.counters = Counters()

    def start(self) -> None:
        """Start the thread; call it in the event loop that will submit."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, then end the thread."""
        with self._wakes:
            self._stopping = True
            self._wakes.notify()
        await asyncio.to_thread(self._thread.join)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    async def submit(self, entry: Entry, records: int = 1) -> Reply:
        """Enter something in the book; returns when it has been committed.

        Args:
            entry: what to enter.
            records: units or outcomes in it.

        Raises:
            BusyError: too much waits already.
            RejectedError: it contradicts the book.
            StoreUnavailableError: the database does not answer. The entry may have been committed all the same, so it
                is to be sent again as it was.

        """
        if self._stopping or self.waiting_records > MAX_WAITING_RECORDS:
            raise BusyError(f"{self.waiting_records} records wait to be written")
        waiting = _Waiting(entry, records, asyncio.get_running_loop().create_future())
        self.waiting_records += records
        try:
            with self._wakes:
                self._queue.append(waiting)
                self._wakes.notify()
            return await waiting.future
        finally:
            self.waiting_records -= records

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)
            assert self._loop is not None  # noqa: S101 - set before the thread starts
            self._loop.call_soon_threadsafe(_deliver, group)

    def _next_group(self) -> list[_Waiting]:
        """The next entries; an empty list when there will be none any more."""
        group: list[_Waiting] = []
        records = 0
        with self._wakes:
            self._wakes.wait_for(lambda: self._queue or self._stopping)
            while self._queue and len(group) < MAX_GROUP_ENTRIES and records < MAX_GROUP_RECORDS:
                group.append(self._queue.popleft())
                records += group[-1].records
        return group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            replies = self._transact([waiting.entry for waiting in group])
        except StoreUnavailableError as error:  # half of the group would fare no better
            for waiting in group:
                waiting.outcome = error
        except LedgerError as error:
            if len(group) == 1:
                group[0].outcome = error
            else:
                self._commit(group[: len(group) // 2])
                self._commit(group[len(group) // 2 :])
        else:
            for waiting, reply in zip(group, replies, strict=True):
                waiting.outcome = reply
                self.counters.records += waiting.records

    def _transact(self, entries: Sequence[Entry]) -> list[Reply]:
        for remaining in reversed(range(_TRIES)):
            try:
                with self._database.writer.begin() as connection:
                    replies = post(connection, self._database.bulk, entries)
            except (OperationalError, InterfaceError) as error:  # a lost connection, a deadlock, a full disk
                self.counters.failures += 1
                if not remaining:
                    log.error("the book could not be written: %s", error.orig)
                    raise StoreUnavailableError(_TRY_AGAIN) from error
            except (RejectedError, SealBrokenError):
                raise
            except Exception as error:
                self.counters.failures += 1
                log.exception("a group of %d entries could not be written", len(entries))
                raise UnwritableError("the ledger failed to write this; its log says why") from error
            else:
                self.counters.commits += 1
                return replies
        raise AssertionError("unreachable")


def _deliver(group: Sequence[_Waiting]) -> None:
    for waiting in group:
        if waiting.future.done():  # the sender has gone
            continue
        if isinstance(waiting.outcome, Reply):
            waiting.future.set_result(waiting.outcome)
        else:
            waiting.future.set_exception(waiting.outcome or StoreUnavailableError("the entry was not written"))
