"""Erasure from mark to end, whatever interrupts it: mark, enter it in the audit log, destroy the key, forget the rest.

The mark is durable first and names the size of the log, so that an entry that was written before a crash is found and
not written again. The key goes after the entry: of a key that was destroyed unsaid nobody could tell later that it was.
While the log is not to be had the subject stays marked: nothing of it is told or taken any more, and the ledger goes on
by itself. So the duty to erase depends neither on the log nor on whether somebody asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256

from marquee.audit.errors import AuditError
from marquee.audit.events import Event, Subject, SubjectErased
from marquee.contract.privacy import Erased, ErasureGround
from marquee.ledger.auditing import KeptLog
from marquee.ledger.book import forgetting
from marquee.ledger.book.entries import DestroyKey, Forget, MarkAgain, MarkErased, Promise
from marquee.ledger.book.forgetting import Marked
from marquee.ledger.book.sealing import KeyRing
from marquee.ledger.committing import Committer
from marquee.ledger.errors import ErasurePendingError, LedgerError, StoreUnavailableError
from marquee.ledger.store.database import Database
from marquee.ledger.store.reading import reading

log = logging.getLogger(__name__)


class Eraser:
    """Erases subjects, one at a time.

    Args:
        database: the book's.
        committer: of the book.
        masters: the master keys as they are now.
        audit: the log; None: nothing is entered.

    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        masters: Callable[[], Mapping[int, bytes]],
        audit: KeptLog | None,
    ) -> None:
        self._database = database
        self._committer = committer
        self._masters = masters
        self._audit = audit
        self._turn = asyncio.Lock()

    async def erase(
        self, units: Iterable[tuple[str, bytes]], *, suppress: bool, actor: str, ground: ErasureGround
    ) -> list[Erased]:
        """Forget a subject; returns when its keys are gone.

        Args:
            units: model, and the subject's hash there.
            suppress: whether it is put on these models' suppression lists too.
            actor: who asked for it, by a name that says nothing of the subject.
            ground: why.

        Raises:
            ErasurePendingError: it is marked, and will be finished without being asked again.
            LedgerError: nothing was marked.

        """
        wanted = list(units)
        async with self._turn:
            ring, log_size = self._ring, self._audit.committer.log.size if self._audit else 0
            marks = [MarkErased(model, unit, suppress, log_size, actor, ground, ring) for model, unit in wanted]
            await asyncio.gather(*map(self._committer.submit, marks))
            erased, waiting = list[Erased](), list[str]()
            for model, unit in wanted:
                ids = await reading(self._database, partial(forgetting.of_unit, ring=ring, model=model, unit=unit))
                for subject_id in ids:
                    try:
                        erased.append(await self._finish(subject_id))
                    except ErasurePendingError as error:
                        waiting.append(str(error))
            if waiting:
                done = [f"done: {one.model}, entry {one.index}, {one.commitment}" for one in erased]
                raise ErasurePendingError("; ".join([*waiting, *done]))
            return erased

    async def finish(self) -> int:
        """Finish what was interrupted; how many erasures that were. What cannot be finished yet is logged."""
        done = 0
        async with self._turn:
            for subject_id in await reading(self._database, forgetting.unfinished):
                try:
                    await self._finish(subject_id)
                    done += 1
                except LedgerError as error:
                    log.error("an erasure waits: %s", error)
        return done

    async def catch_up(self) -> int:
        """Forget again whom an older copy of the database has brought back; how many that were.

        The audit log has a commitment of each erasure, and a key that is back gives the same one.

        Raises:
            AuditError: the log cannot be read.
            LedgerError: the database does not answer.

        """
        if self._audit is None:
            return 0
        done = await reading(self._database, forgetting.newest_done)
        promises = {
            event.commitment: Promise(index, event.concerned, event.actor, event.reason)
            for index, event in await self._audit.own_since(done + 1)
            if isinstance(event, SubjectErased)
        }
        if not promises:
            return 0
        found = dict[int, Promise]()
        after: int | None = 0
        while after is not None:
            some, after = await reading(
                self._database, partial(forgetting.returned, ring=self._ring, promises=promises, after=after)
            )
            found |= some
        await self._committer.submit(MarkAgain(found, max(one.entry for one in promises.values())))
        if found:
            log.warning(
                "%d subjects that were erased are back, and are erased again: was a backup restored?", len(found)
            )
            await self.finish()
        return len(found)

    @property
    def _ring(self) -> KeyRing:
        return KeyRing(self._masters())

    async def _finish(self, subject_id: int) -> Erased:
        commitment = ""
        try:
            marked = await reading(self._database, partial(forgetting.marked, ring=self._ring, subject_id=subject_id))
            if marked is None:
                raise StoreUnavailableError("another ledger has finished it meanwhile")
            commitment = marked.commitment
            index = await self._enter(marked) if marked.has_key else None
            await self._committer.submit(DestroyKey(subject_id))
            if not await asyncio.to_thread(self._database.scrub):
                raise StoreUnavailableError("somebody reads an older state of the database, such as a backup")
            forgotten = await self._committer.submit(Forget(subject_id, index))
        except (AuditError, LedgerError) as error:
            raise ErasurePendingError(_pending(commitment, error)) from error
        return Erased(model=marked.model, decisions=forgotten.changed, commitment=commitment, index=index)

    async def _enter(self, marked: Marked) -> int | None:
        if self._audit is None:
            return None
        event = SubjectErased(
            actor=marked.actor, reason=marked.ground, commitment=marked.commitment, concerned=marked.model
        )
        about = Subject(name=f"model/{marked.model}", sha256=sha256(marked.model.encode()).hexdigest())

        def is_same(other: Event) -> bool:
            return isinstance(other, SubjectErased) and other.commitment == marked.commitment

        return await self._audit.enter_own(event, [about], is_same, marked.log_size)


def _pending(commitment: str, error: Exception) -> str:
    known = f"; its commitment is {commitment}" if commitment else ""
    return (
        f"the subject is marked and nothing of it is told or taken any more, but the erasure is not finished: {error}. "
        f"The ledger finishes it by itself{known}"
    )
