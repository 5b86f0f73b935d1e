"""Drift counters in the book: each batch once, added to its slice; slices that no verdict needs go.

A batch is known by its epoch and number. Within an epoch numbers rise and slices never go back, so that two processes
which say they are one, or a clock that was set back, are refused instead of counted into the wrong window. The rows of
a slice are locked while they change: several ledgers on one PostgreSQL add to the same slice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select, text, update

from marquee.contract.drift import SLICE_SECONDS, DriftBatch, ProfileReport, add_up, pack
from marquee.ledger.book.batches import Batch, BatchKind, take
from marquee.ledger.book.entries import CountDrift
from marquee.ledger.errors import ClockWentBackError, EpochSharedError, ProfileUnknownError
from marquee.ledger.store.drift_schema import drift_epochs, drift_slices, drift_sources, score_credits

RETENTION_SECONDS: Final = 56 * 24 * 3_600
"""Slices of a revision's first eight weeks, which are its baseline, and of the last eight weeks are kept."""
EPOCH_MEMORY_SECONDS: Final = 8 * 24 * 3_600
"""Longer than batch ids are remembered."""
_SWEEP_EVERY_SECONDS: Final = 6 * 3_600

_INSERT_SOURCE: Final = text(
    "INSERT INTO drift_sources (model, revision, digest, size, content, reported_at, lost, swept_at) "
    "VALUES (:model, :revision, :digest, :size, :content, :now, 0, :now) ON CONFLICT DO NOTHING"
)
_INSERT_EPOCH: Final = text(
    "INSERT INTO drift_epochs (epoch, source_id, number, slice, received_at) "
    "VALUES (:epoch, :source_id, -1, :slice, :now) ON CONFLICT DO NOTHING"
)
_INSERT_SLICE: Final = text(
    "INSERT INTO drift_slices (source_id, slice, counters, changes) "
    "VALUES (:source_id, :slice, :nothing, 0) ON CONFLICT DO NOTHING"
)
_SWEEP_CREDITS: Final = text(
    "DELETE FROM score_credits WHERE source_id = :source_id AND slice >= :first AND slice < :old "
    "AND slice < (SELECT swept_before FROM score_metrics WHERE id = score_credits.metric_id)"
)
"""Not before the rows that they are sums of."""


def describe(connection: Connection, report: ProfileReport, now: int) -> bool:
    """Enter over which bins a revision counts; False when that was known."""
    layout = report.layout
    given = {
        "model": report.model,
        "revision": report.revision,
        "digest": layout.digest,
        "size": layout.size,
        "content": report.model_dump_json(by_alias=True),
        "now": now,
    }
    is_new = connection.execute(_INSERT_SOURCE, given).rowcount > 0
    columns = drift_sources.c
    connection.execute(
        update(drift_sources)
        .where(
            columns.model == report.model,
            columns.revision == report.revision,
            columns.digest == layout.digest,
            columns.reported_at < now,
        )
        .values(reported_at=now, content=given["content"])
    )
    return is_new


def count(connection: Connection, entries: Sequence[CountDrift], now: int) -> list[bool]:
    """Add batches; for each, whether it is new.

    Raises:
        BatchReusedError: a number of an epoch came back with other content.
        ProfileUnknownError, EpochSharedError, ClockWentBackError: as `marquee.ledger.errors` says.

    """
    named = [Batch(BatchKind.DRIFT, entry.batch.batch_id, entry.digest) for entry in entries]
    new = take(connection, named, now)
    parts: defaultdict[tuple[int, int], list[bytes]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for entry, is_new in zip(entries, new, strict=True):
        if is_new:
            source = _source(connection, entry.batch)
            _advance(connection, source, entry.batch, now)
            sizes[source.id] = source.size
            parts[source.id, entry.batch.slice].append(pack(entry.batch.counters))
    for (source_id, slice_), packed in sorted(parts.items()):
        _add(connection, source_id, slice_, packed, sizes[source_id])
    return new


def sweep(connection: Connection, now: int) -> bool:
    """Delete what no verdict needs of one source, and old epochs; whether there may be another such source."""
    connection.execute(delete(drift_epochs).where(drift_epochs.c.received_at < now - EPOCH_MEMORY_SECONDS))
    columns = drift_sources.c
    source = connection.execute(
        select(columns.id, columns.first_slice, columns.reported_at)
        .where(columns.swept_at < now - _SWEEP_EVERY_SECONDS)
        .order_by(columns.swept_at)
        .limit(1)
    ).one_or_none()
    if source is None:
        return False
    old, keep = (now - RETENTION_SECONDS) // SLICE_SECONDS, RETENTION_SECONDS // SLICE_SECONDS
    mine = drift_slices.c.source_id == source.id
    last = connection.execute(
        select(drift_slices.c.slice).where(mine).order_by(drift_slices.c.slice.desc()).limit(1)
    ).scalar_one_or_none()
    if source.reported_at < now - RETENTION_SECONDS and (last is None or last < old):
        connection.execute(delete(drift_slices).where(mine))
        connection.execute(delete(score_credits).where(score_credits.c.source_id == source.id))
        connection.execute(delete(drift_epochs).where(drift_epochs.c.source_id == source.id))
        connection.execute(delete(drift_sources).where(columns.id == source.id))
        return True
    if source.first_slice is not None:
        slice_ = drift_slices.c.slice
        connection.execute(delete(drift_slices).where(mine, slice_ >= source.first_slice + keep, slice_ < old))
        given = {"source_id": source.id, "first": source.first_slice + keep, "old": old}
        connection.execute(_SWEEP_CREDITS, given)
    connection.execute(update(drift_sources).where(columns.id == source.id).values(swept_at=now))
    return True


def _source(connection: Connection, batch: DriftBatch) -> Row[Any]:
    columns = drift_sources.c
    found: Row[Any] | None = connection.execute(
        select(drift_sources).where(
            columns.model == batch.model, columns.revision == batch.revision, columns.digest == batch.digest
        )
    ).one_or_none()
    if found is None or found.size != len(batch.counters):
        raise ProfileUnknownError(
            f"no pod of {batch.model} has described the bins {batch.digest.hex()[:12]} with {len(batch.counters)} "
            f"counters for revision {batch.revision}; pods do so at their start and every hour"
        )
    return found


def _advance(connection: Connection, source: Row[Any], batch: DriftBatch, now: int) -> None:
    """Remember an epoch's newest batch, and how many never came."""
    given = {"epoch": batch.epoch, "source_id": source.id, "slice": batch.slice, "now": now}
    connection.execute(_INSERT_EPOCH, given)
    columns = drift_epochs.c
    known = connection.execute(
        select(columns.source_id, columns.number, columns.slice).where(columns.epoch == batch.epoch).with_for_update()
    ).one()
    if known.source_id != source.id or batch.number <= known.number:
        raise EpochSharedError(
            f"epoch {batch.epoch.hex()} belongs to another process, or has sent a later batch than {batch.number} "
            "already: each process draws an epoch of its own when it starts, see docs/drift.md"
        )
    if batch.slice < known.slice:
        raise ClockWentBackError(
            f"epoch {batch.epoch.hex()} has counted slice {known.slice} already, and now {batch.slice}: the pod's "
            "clock was set back; a new epoch begins when the process starts anew"
        )
    connection.execute(
        update(drift_epochs)
        .where(columns.epoch == batch.epoch)
        .values(number=batch.number, slice=batch.slice, received_at=now)
    )
    if lost := batch.number - known.number - 1:
        changed = update(drift_sources).where(drift_sources.c.id == source.id)
        connection.execute(changed.values(lost=drift_sources.c.lost + lost))


def _add(connection: Connection, source_id: int, slice_: int, packed: Sequence[bytes], size: int) -> None:
    connection.execute(_INSERT_SLICE, {"source_id": source_id, "slice": slice_, "nothing": b""})
    columns = drift_slices.c
    this = (columns.source_id == source_id) & (columns.slice == slice_)
    stored = connection.execute(select(columns.counters).where(this).with_for_update()).scalar_one()
    parts = [bytes(stored), *packed] if stored else packed
    connection.execute(
        update(drift_slices)
        .where(this)
        .values(counters=pack(add_up(parts, size)), changes=columns.changes + len(packed))
    )
    first = drift_sources.c.first_slice
    connection.execute(
        update(drift_sources)
        .where(drift_sources.c.id == source_id, first.is_(None) | (first > slice_))
        .values(first_slice=slice_)
    )
