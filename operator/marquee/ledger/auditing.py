"""The audit log as the ledger keeps it: what is entered, and what everybody may read of it.

Entries about models come signed by their author. The ledger has the log's key and not the author's: neither of the two
can write another history alone. What the ledger itself does, it enters for the installation, signed by the log's key;
verifiers believe that key about the installation and about no model.
"""

from __future__ import annotations

import asyncio
import base64
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from marquee.audit.committing import Committer
from marquee.audit.envelope import read_envelope, require_author
from marquee.audit.errors import BusyError, FormatError
from marquee.audit.events import INSTALLATION, Event, Stamp, Subject
from marquee.audit.heads import CHECKPOINT, COSIGNED
from marquee.audit.keys import PublicKey, read_public
from marquee.audit.notes import Checkpoint, Signature, SignedCheckpoint
from marquee.audit.proving import prove
from marquee.audit.recording import rotation_of
from marquee.audit.statements import Statement, read_entry, read_stamp, write_entry
from marquee.audit.tiles import WIDTH, check_entry_size, tile_at
from marquee.audit.tree import StoredTree
from marquee.contract.audit import AuditEntriesReply, EnteredReply, LoggedEntry
from marquee.contract.audit_paths import MAX_PROOFS

_CHECKPOINT_POLL_SECONDS: Final = 0.05
_CHECKPOINT_POLLS: Final = 60
"""A checkpoint is at most a second behind, unless the disk is slow."""
_CACHED_BUNDLES: Final = 16


class KeptLog:
    """An open log with a running committer. Reads and waits happen in threads, beside the event loop."""

    def __init__(self, committer: Committer, *, clock: Callable[[], float] = time.time) -> None:
        self.committer = committer
        self._clock = clock
        self._turn = threading.Lock()
        self._cosigned = committer.log.cosigned()
        self._gathered: dict[int, Sequence[Signature]] = {}
        """Cosignatures of the newest checkpoint that somebody has cosigned."""
        self.witnesses: Sequence[PublicKey] = ()
        """Who is asked to cosign; none: proofs are given without waiting for anybody."""
        self.quorum = 0
        self._full_bundle = lru_cache(_CACHED_BUNDLES)(self._read_full_bundle)
        self._authors = dict.fromkeys(self._last_authors())

    @property
    def alive(self) -> bool:
        """Whether the thread that writes runs."""
        return self.committer.alive

    async def enter(self, entry: bytes) -> EnteredReply:
        """Enter what its author has signed; returns when it is on the disk. The same once more is harmless.

        Raises:
            FormatError: it is no entry, too large, or says nothing of its author or of the entry before it.
            ProofError: its author has not signed it.
            SequenceError: it is not the next one of its model.
            BusyError, StoreError: it is not acknowledged; send the same again.

        """
        check_entry_size(entry)
        stamp = read_stamp(entry)
        author = read_public(stamp.author, "entry, predicate.author")
        require_author(read_envelope(entry), [author])
        await asyncio.to_thread(self._require_chained, stamp.model, stamp.sequence, stamp.previous)
        index = await asyncio.wrap_future(self.committer.submit(entry))
        self._authors[author.text] = None
        return EnteredReply(model=stamp.model, sequence=stamp.sequence, index=index)

    async def enter_own(
        self, event: Event, subjects: Sequence[Subject], is_same: Callable[[Event], bool], since: int
    ) -> int:
        """Enter what the ledger itself does, unless it is there; its index, once it is on the disk.

        Args:
            event: what is done next.
            subjects: what it is about, at least one.
            is_same: whether an event is this one, entered before an interruption.
            since: it is not among the entries before this index.

        Raises:
            AuditError: it is not acknowledged; enter it again.

        """
        return await asyncio.to_thread(self._enter_own, event, tuple(subjects), is_same, since)

    async def own_since(self, since: int) -> list[tuple[int, Event]]:
        """What the ledger itself has entered from an index on, the newest first. Raises `AuditError`."""
        return await asyncio.to_thread(lambda: list(self._own_since(since)))

    async def entries(self, first: int | None, limit: int) -> AuditEntriesReply:
        """Entries in the order of the log, from an index on; the newest ones without. Raises `StoreError`."""
        return await asyncio.to_thread(self._entries, first, limit)

    async def entries_of(self, model: str, index: int | None, limit: int) -> AuditEntriesReply:
        """A model's entries, the newest first, or from an index backwards.

        Raises:
            IndexError: the index is not one of the model's.
            StoreError: the store failed.

        """
        return await asyncio.to_thread(self._entries_of, model, index, limit)

    async def proofs(self, indices: Iterable[int]) -> str:
        """Proofs against the newest cosigned checkpoint, else the newest; each is waited for some seconds.

        Raises:
            IndexError: there is no such entry.
            BusyError: no checkpoint covers them; the log is behind.
            StoreError: the store failed.

        """
        wanted = sorted(set(indices))
        kept = self.committer.log
        if not wanted or not 0 <= wanted[0] <= wanted[-1] < kept.size:
            raise IndexError(f"the log has {kept.size} entries")
        for tries_left in reversed(range(_CHECKPOINT_POLLS)):
            if (head := self._head_over(wanted[-1], waits=tries_left > 0)) is not None:
                found = await asyncio.to_thread(lambda: [proof.text for proof in prove(kept.store, head, wanted)])
                return "".join(found)
            await asyncio.sleep(_CHECKPOINT_POLL_SECONDS)
        raise BusyError(f"entry {wanted[-1]}", "is in no checkpoint yet", "ask again in a moment")

    async def indices_of(self, model: str, first: int) -> list[int]:
        """Where a model's entries from a number on are, `MAX_PROOFS` of them at most.

        Raises:
            StoreError: the store failed.
            IndexError: there are none.

        """
        return await asyncio.to_thread(self._indices_of, model, first)

    async def file(self, path: str) -> bytes | None:
        """A file that readers of tlog-tiles know; None for any other. Raises `StoreError`."""
        if path not in (CHECKPOINT, COSIGNED) and tile_at(path) is None:
            return None
        return await asyncio.to_thread(self.committer.log.store.read, path)

    def policy(self) -> str:
        """The keys as a policy for the verifier; the log's own needs no line among the authors."""
        keys = self.committer.log.keys.public
        lines = ["# from the ledger itself: compare it with what you were given by another way"]
        lines += [f"log {key.text}" for key in keys]
        lines += [f"author {text}" for text in self._authors]
        lines += [f"witness {key.text}" for key in self.witnesses]
        return "\n".join([*lines, f"quorum {self.quorum}"]) + "\n"

    def keep_cosigned(self, checkpoint: Checkpoint, signatures: Sequence[Signature], quorum: int) -> None:
        """Keep what witnesses said; with a quorum of them, proofs are given against it. Raises `StoreError`."""
        known = self._gathered.get(checkpoint.size, ())
        self._gathered = {checkpoint.size: [*known, *signatures]}
        if len(self._gathered[checkpoint.size]) >= quorum:
            self.committer.log.add_cosignatures(checkpoint, self._gathered[checkpoint.size])
            self._cosigned = self.committer.log.cosigned()

    @property
    def cosigned_size(self) -> int:
        """Entries in the newest checkpoint that witnesses have cosigned."""
        return self._cosigned.checkpoint.size if self._cosigned is not None else 0

    async def enter_rotation(self) -> int | None:
        """After an opening with a new key: an entry that says so; its index. Raises `AuditError`."""
        if (found := rotation_of(self.committer.log)) is None:
            return None
        event, subjects = found
        since = self.committer.log.head.checkpoint.size
        return await self.enter_own(event, subjects, lambda other: other == event, since)

    def _head_over(self, index: int, *, waits: bool) -> SignedCheckpoint | None:
        """What an entry can be proven against."""
        if self._cosigned is not None and index < self._cosigned.checkpoint.size:
            return self._cosigned
        head = self.committer.log.head
        return head if index < head.checkpoint.size and not (self.witnesses and waits) else None

    def _require_chained(self, model: str, sequence: int, previous: int | None) -> None:
        """Refuse an entry that names another one before it: by these links a model's entries are found."""
        known = self.committer.log.course(model).recent.get(sequence - 1)
        expected = known[0] if known is not None else None
        if (sequence == 1 or known is not None) and previous != expected:
            what = f"names {previous} as the index before it, which is {expected}"
            raise FormatError(f"{model}, sequence {sequence}", what, "read the model's newest entry first")

    def _enter_own(
        self, event: Event, subjects: tuple[Subject, ...], is_same: Callable[[Event], bool], since: int
    ) -> int:
        with self._turn:
            for index, known in self._own_since(since):
                if is_same(known):
                    return index
            key = self.committer.log.keys.signers[0]
            entry = write_entry(Statement(self._next_stamp(key.public.text), event, subjects), [key])
            return self.committer.submit(entry).result()

    def _next_stamp(self, author: str) -> Stamp:
        """A clock that went back gives the time of the entry before, and says so."""
        course = self.committer.log.course(INSTALLATION)
        now = datetime.fromtimestamp(self._clock(), UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return Stamp(
            model=INSTALLATION,
            sequence=course.last + 1,
            time=max(now, course.time),
            clock_behind_seconds=max(0, round((course.time - now).total_seconds())),
            previous=course.recent[course.last][0] if course.last else None,
            author=author,
        )

    def _own_since(self, since: int) -> Iterator[tuple[int, Event]]:
        """The installation's entries from an index on, the newest first."""
        course = self.committer.log.course(INSTALLATION)
        at = course.recent[course.last][0] if course.last else None
        while at is not None and at >= since:
            statement = read_entry(self._entry(at), f"entry {at}")
            yield at, statement.event
            at = statement.stamp.previous

    def _entries(self, first: int | None, limit: int) -> AuditEntriesReply:
        size = self.committer.log.size
        start = max(0, size - limit) if first is None else first
        return self._reply(range(start, min(size, start + limit)), size)

    def _entries_of(self, model: str, index: int | None, limit: int) -> AuditEntriesReply:
        kept = self.committer.log
        course = kept.course(model)
        at = index if index is not None else course.recent[course.last][0] if course.last else None
        found: list[LoggedEntry] = []
        while at is not None and len(found) < limit:
            entry = self._entry(at)
            stamp = read_stamp(entry, f"entry {at}")
            if stamp.model != model:
                raise IndexError(f"entry {at} is of {stamp.model}")
            found.append(_logged(at, entry))
            at = stamp.previous
        return AuditEntriesReply(size=kept.size, entries=tuple(found))

    def _indices_of(self, model: str, first: int) -> list[int]:
        kept = self.committer.log
        course = kept.course(model)
        if course.last < first:
            raise IndexError(f"{model} has {course.last} entries")
        indices = [course.recent[course.last][0]]
        for _ in range(course.last - first):
            stamp = read_stamp(self._entry(indices[-1]), f"entry {indices[-1]}")
            assert stamp.previous is not None  # noqa: S101 - `enter` takes no other
            indices.append(stamp.previous)
        return indices[::-1][:MAX_PROOFS]

    def _reply(self, indices: Iterable[int], size: int) -> AuditEntriesReply:
        return AuditEntriesReply(size=size, entries=tuple(_logged(index, self._entry(index)) for index in indices))

    def _entry(self, index: int) -> bytes:
        """An entry; a bundle that is full never changes, and a model's entries are often in the same one."""
        kept = self.committer.log
        number, place = divmod(index, WIDTH)
        if (number + 1) * WIDTH <= kept.head.checkpoint.size:
            return self._full_bundle(number)[place]
        return kept.entry(index)

    def _read_full_bundle(self, number: int) -> list[bytes]:
        return StoredTree(self.committer.log.store, (number + 1) * WIDTH).bundle(number)

    def _last_authors(self) -> list[str]:
        """Who signed the newest entry about a model."""
        kept = self.committer.log
        courses = [kept.course(model) for model in kept.models() if model != INSTALLATION]
        newest = max((course.recent[course.last][0] for course in courses), default=None)
        return [] if newest is None else [read_stamp(kept.entry(newest)).author]


def _logged(index: int, entry: bytes) -> LoggedEntry:
    return LoggedEntry(index=index, entry=base64.b64encode(entry).decode())
