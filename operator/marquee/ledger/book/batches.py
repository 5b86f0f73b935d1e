"""Batch ids: what was taken before is not taken again."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from marquee.ledger.errors import BatchReusedError
from marquee.ledger.store.schema import batches


class BatchKind(IntEnum):
    """What a batch holds; ids of one kind do not meet those of the other."""

    EXPOSURES = 0
    COUNTS = 1
    DRIFT = 2
    DECISIONS = 3


class Batch(NamedTuple):
    """A batch by its name and content."""

    kind: BatchKind
    batch_id: bytes
    digest: int


def take(connection: Connection, arrived: Sequence[Batch], now: int) -> list[bool]:
    """Enter the ids; for each batch, whether it is new. The second of two equal ones is not.

    Raises:
        BatchReusedError: an id was taken with other content.

    """
    if not arrived:
        return []
    known = _known(connection, arrived)
    new: list[bool] = []
    rows = []
    for batch in arrived:
        key = int(batch.kind), batch.batch_id
        new.append(key not in known)
        if known.setdefault(key, batch.digest) != batch.digest:
            raise BatchReusedError(f"batch {batch.batch_id.hex()} was sent before with other content")
        if new[-1]:
            rows.append({"kind": key[0], "batch_id": key[1], "digest": batch.digest, "received_at": now})
    if rows:
        connection.execute(insert(batches), rows)
    return new


def _known(connection: Connection, arrived: Sequence[Batch]) -> dict[tuple[int, bytes], int]:
    ids = [batch.batch_id for batch in arrived]
    rows = connection.execute(
        select(batches.c.kind, batches.c.batch_id, batches.c.digest).where(batches.c.batch_id.in_(ids))
    )
    return {(row.kind, bytes(row.batch_id)): row.digest for row in rows}
