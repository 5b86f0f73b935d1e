"""Batches that the ledger has not taken: in files that outlive the container, or in memory where there is no folder.

One file a batch: a CRC-32 of the body, then the body. A file is written beside its name and renamed, so a process that
is killed leaves no half of one; after a node's crash the checksum tells. Files are not synced: an emptyDir is lost
with its node anyway. When there is no room the *newest* batch is dropped. The ledger counts a unit where it was first
seen, and it is the old batches that know where that was; a unit of a new batch is reported again when it comes back.
"""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bentos.front.reporting.batches import Batch
from bentos.front.reporting.statistics import Kind, Reason, Statistics

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 4_096
"""What a file takes on its volume is a multiple of this; the volume's limit counts that, and so does ours."""
_CHECKSUM_BYTES: Final = 4
_NAME: Final = re.compile(rf"(\d{{20}})-(\d{{1,12}})\.({'|'.join(Kind)})")
_UNFINISHED: Final = ".part"


Change = Callable[[Batch], Batch | None]
"""What becomes of a batch: the very same one, another of the same kind, or none."""


class Store(Protocol):
    """A queue of batches with a bound. One thread changes it; others may ask for its length."""

    def __len__(self) -> int: ...

    def append(self, batch: Batch) -> bool:
        """Keep a batch as the newest; False: it was dropped, and counted."""

    def oldest(self) -> Batch | None:
        """The batch that waits for longest; None: there is none."""

    def remove_oldest(self) -> None:
        """Forget the batch that `oldest` gave."""

    def rewrite(self, kind: Kind, change: Change) -> None:
        """Put what a change makes of each batch of a kind in its place."""


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    size: int
    """In whole blocks."""
    kind: Kind
    records: int


class Spool:
    """A store in a folder, which begins with what another process left there.

    Raises:
        OSError: the folder cannot be made, read or written.

    """

    def __init__(self, folder: Path, limit_bytes: int, statistics: Statistics) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"try{_UNFINISHED}").write_bytes(b"")
        self._folder = folder
        self._limit = limit_bytes
        self._statistics = statistics
        self._entries: deque[_Entry] = deque()
        self._number = 0
        for path in sorted(folder.iterdir()):
            if path.name.endswith(_UNFINISHED):
                self._statistics.torn_files += path.stat().st_size > 0
                path.unlink()
            elif match := _NAME.fullmatch(path.name):
                self._number = int(match[1])
                self._enter(_Entry(path, _blocks(path.stat().st_size), Kind(match[3]), int(match[2])))
        if self._entries:
            log.info("the spool holds %d batches of an earlier process", len(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, batch: Batch) -> bool:
        """Write a batch. There is room for it, or it is dropped."""
        size = _blocks(_CHECKSUM_BYTES + len(batch.body))
        if self._statistics.spool_bytes + size > self._limit:
            self._statistics.drop(batch.kind, Reason.SPOOL_FULL, batch.records)
            return False
        self._number = max(self._number + 1, time.time_ns())
        path = self._folder / f"{self._number:020d}-{batch.records}.{batch.kind}"
        try:
            _write(path, batch.body)
        except OSError as error:
            log.error("the spool cannot be written: %s", error)
            self._statistics.drop(batch.kind, Reason.SPOOL_BROKEN, batch.records)
            return False
        self._enter(_Entry(path, size, batch.kind, batch.records))
        self._statistics.spooled[batch.kind] += batch.records
        return True

    def oldest(self) -> Batch | None:
        """Read the oldest batch; torn files before it are counted and removed."""
        while self._entries:
            entry = self._entries[0]
            if (body := _read(entry.path)) is not None:
                return Batch(entry.kind, body, entry.records)
            log.error("the spool's file %s is torn; its %d records are lost", entry.path.name, entry.records)
            self._statistics.torn_files += 1
            self.remove_oldest()
        return None

    def remove_oldest(self) -> None:
        """Delete the oldest file."""
        entry = self._entries.popleft()
        self._leave(entry)
        _remove(entry.path)

    def rewrite(self, kind: Kind, change: Change) -> None:
        """The new file is there before the old one goes: after a kill between the two both are sent, by one id."""
        entries, self._entries = self._entries, deque()
        for entry in entries:
            body = _read(entry.path) if entry.kind is kind else None
            before = Batch(kind, body, entry.records) if body is not None else None
            after = change(before) if before is not None else None
            if before is None or after is before:
                self._entries.append(entry)  # a torn one is passed over when its turn comes
                continue
            self._leave(entry)
            if after is not None:
                self._rewrite(entry, after)
            _remove(entry.path)

    def _rewrite(self, entry: _Entry, batch: Batch) -> None:
        """In the entry's place. What cannot be written is lost, rather than that all of it stays."""
        path = self._folder / f"{entry.path.name.partition('-')[0]}-{batch.records}.{batch.kind}"
        try:
            _write(path, batch.body)
        except OSError as error:
            log.error("the spool cannot be written: %s", error)
            self._statistics.drop(batch.kind, Reason.SPOOL_BROKEN, batch.records)
            return
        self._enter(_Entry(path, _blocks(_CHECKSUM_BYTES + len(batch.body)), batch.kind, batch.records))

    def _enter(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._statistics.spool_bytes += entry.size
        self._statistics.spool_batches += 1

    def _leave(self, entry: _Entry) -> None:
        self._statistics.spool_bytes -= entry.size
        self._statistics.spool_batches -= 1


class MemoryStore:
    """A store that is lost with its process."""

    def __init__(self, limit_bytes: int, statistics: Statistics) -> None:
        self._limit = limit_bytes
        self._statistics = statistics
        self._batches: deque[Batch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def append(self, batch: Batch) -> bool:
        """Keep a batch, if there is room."""
        if self._statistics.spool_bytes + len(batch.body) > self._limit:
            self._statistics.drop(batch.kind, Reason.SPOOL_FULL, batch.records)
            return False
        self._batches.append(batch)
        self._statistics.spooled[batch.kind] += batch.records
        self._statistics.spool_bytes += len(batch.body)
        self._statistics.spool_batches += 1
        return True

    def oldest(self) -> Batch | None:
        """The oldest batch."""
        return self._batches[0] if self._batches else None

    def remove_oldest(self) -> None:
        """Forget it."""
        self._statistics.spool_bytes -= len(self._batches.popleft().body)
        self._statistics.spool_batches -= 1

    def rewrite(self, kind: Kind, change: Change) -> None:
        """In their places."""
        changed = [change(batch) if batch.kind is kind else batch for batch in self._batches]
        self._batches = deque(batch for batch in changed if batch is not None)
        self._statistics.spool_bytes = sum(len(batch.body) for batch in self._batches)
        self._statistics.spool_batches = len(self._batches)


def _write(path: Path, body: bytes) -> None:
    unfinished = path.with_name(path.name + _UNFINISHED)
    try:
        unfinished.write_bytes(zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "big") + body)
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:  # it may be sent again by the next process; the ledger knows its id
        log.error("the spool's file %s cannot be removed: %s", path.name, error)


def _read(path: Path) -> bytes | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    body = raw[_CHECKSUM_BYTES:]
    return body if raw[:_CHECKSUM_BYTES] == zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "big") else None


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
