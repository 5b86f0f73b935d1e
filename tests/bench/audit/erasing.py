"""Erasing one subject of a million, each with a sealed decision: the time until its key is nowhere on the disk."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert

from marquee.audit.committing import Committer as AuditCommitter
from marquee.audit.log import AuditLog
from marquee.audit.store.posix import FolderStore
from marquee.ledger.auditing import KeptLog
from marquee.ledger.book.sealing import Binding, KeyRing, new_key, seal
from marquee.ledger.book.subjects import open_model
from marquee.ledger.committing import Committer
from marquee.ledger.erasing import Eraser
from marquee.ledger.store.database import Database
from marquee.ledger.store.migrating import migrate
from marquee.ledger.store.subjects_schema import decisions, subjects
from tests.support.audit.logs import KEYS
from tests.support.ledger import KEY_ID, MASTER

MODEL: Final = "growth/lead"
TRIED: Final = 20
_CHUNK: Final = 10_000
_PLAINTEXT: Final = b'{"rollout":"lead-v2","arm":"canary","inputs":{"visits":3.0},"outputs":{"probability":0.25}}'


@dataclass(frozen=True)
class Erased:
    """What it took."""

    slowest_seconds: float
    median_seconds: float
    fill_seconds: float


def erase_one_of(folder: Path, url: str, count: int) -> Erased:
    """Fill a database with so many subjects, then erase some of them, one after the other.

    Args:
        folder: for the audit log; it is made.
        url: of an empty database.
        count: of subjects.

    """
    folder.mkdir()
    database = Database(url)
    try:
        started = time.perf_counter()
        _fill(database, count)
        filled = time.perf_counter() - started
        times = asyncio.run(_erase(folder, database, count))
    finally:
        database.dispose()
    return Erased(max(times), sorted(times)[len(times) // 2], filled)


async def _erase(folder: Path, database: Database, count: int) -> list[float]:
    log = AuditCommitter(AuditLog(FolderStore(folder / "log"), KEYS))
    committer = Committer(database)
    log.start()
    committer.start()
    eraser, times = Eraser(database, committer, lambda: {KEY_ID: MASTER}, KeptLog(log)), list[float]()
    for number in random.Random(1).sample(range(count), TRIED):
        started = time.perf_counter()
        (erased,) = await eraser.erase([(MODEL, _unit(number))], suppress=True, actor="bench", ground="Request")
        times.append(time.perf_counter() - started)
        if erased.decisions != 1 or erased.index is None:
            raise AssertionError(f"nothing was erased of subject {number}: {erased}")
    await committer.stop()
    log.stop()
    return times


def _fill(database: Database, count: int) -> None:
    migrate(database)
    with database.writer.begin() as connection:
        model_id = open_model(connection, MODEL)
    for start in range(0, count, _CHUNK):
        rows = list(_rows(model_id, range(start, min(start + _CHUNK, count))))
        with database.writer.begin() as connection:
            connection.execute(insert(subjects), [subject for subject, _ in rows])
            connection.execute(insert(decisions), [decision for _, decision in rows])


def _rows(model_id: int, numbers: range) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    ring, now = KeyRing({KEY_ID: MASTER}), int(time.time())
    for number in numbers:
        key, unit = new_key(), _unit(number)
        binding = Binding(MODEL, "lead-v1", now * 1_000, 1)
        subject = {
            "id": number + 1,
            "model_id": model_id,
            "pseudonym": ring.pseudonym(MODEL, unit, KEY_ID),
            "master_id": KEY_ID,
            "key": ring.wrap(key),
            "unit": seal(key, unit, b"unit of " + MODEL.encode()),
            "decisions": 1,
        }
        decision = {
            "subject_id": number + 1,
            "number": 1,
            "revision": "lead-v1",
            "milliseconds": now * 1_000,
            "expires_at": now + 180 * 86_400,
            "sealed": seal(key, _PLAINTEXT, binding.data),
        }
        yield subject, decision


def _unit(number: int) -> bytes:
    return number.to_bytes(8, "big")


def has_postgres() -> bool:
    """Whether a server can be started here: it wants to be started by root, which it leaves."""
    return os.geteuid() == 0
