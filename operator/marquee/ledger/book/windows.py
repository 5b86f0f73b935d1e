"""Windows of drift counters: the sums of their slices, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from marquee.contract.drift import SLICE_SECONDS, ProfileReport, add_up
from marquee.ledger.book import performances
from marquee.ledger.book.score_metrics import current
from marquee.ledger.store.drift_schema import drift_slices, drift_sources

SETTLE_SECONDS: Final = 300
"""After a window's end, until it counts as complete: pods push every minute."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which windows of which revision."""

    model: str
    revision: str
    seconds: int
    """Length of a window; a multiple of a slice's."""
    baseline: int
    """So many of the first ones."""
    last: int
    """So many of the last ones."""
    now: int
    performance: int = 0
    """So many of the last ones with what became of their answers, and those of the baseline; 0: none."""

    @property
    def until(self) -> int:
        """The first window that is not complete."""
        return (self.now - SETTLE_SECONDS) // self.seconds

    @property
    def slices(self) -> int:
        """Of one window."""
        return self.seconds // SLICE_SECONDS


def tag(connection: Connection, wanted: Wanted) -> tuple[int, ...]:
    """Numbers that differ whenever the windows do, without reading a counter."""
    source = _source(connection, wanted)
    if source is None:
        return (0,)
    found = connection.execute(
        select(func.count(), func.coalesce(func.sum(drift_slices.c.changes), 0)).where(_chosen(source, wanted))
    ).one()
    reported_at = source.reported_at if source.first_slice is None else 0
    return source.id, reported_at, source.lost, wanted.until, *performances.tag(connection, wanted.model), *found


def read(connection: Connection, wanted: Wanted) -> dict[str, Any]:
    """`DriftReply` as JSON would have it."""
    source = _source(connection, wanted)
    first = _first(source, wanted) if source is not None else None
    found: list[dict[str, Any]] = []
    if source is not None and first is not None and first < wanted.until:
        found = _windows(connection, source, wanted)
    split, last = (first or 0) + wanted.baseline, wanted.until - wanted.last
    report = orjson.loads(source.content) if source is not None else {}
    return {
        "model": wanted.model,
        "revision": wanted.revision,
        "seconds": wanted.seconds,
        "output": report.get("output", ""),
        "lost": source.lost if source is not None else 0,
        "profile": report.get("profile"),
        "first": first if first is not None and first < wanted.until else None,
        "until": wanted.until,
        "baseline": [window for window in found if window["index"] < split],
        "windows": [window for window in found if window["index"] >= max(split, last)],
        "traces": report.get("traces", False),
        "performance": _performance(connection, source, wanted, found) if wanted.performance else None,
    }


def _performance(
    connection: Connection, source: Row[Any] | None, wanted: Wanted, counted: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """`PerformanceReply` as JSON would have it; None: no outcome is declared."""
    metric = current(connection, [wanted.model]).get(wanted.model)
    if metric is None:
        return None
    first = _first(source, wanted) if source is not None else None
    if source is None or first is None:
        return {"metric": orjson.loads(metric.content), "windows": []}
    layout = ProfileReport.model_validate_json(source.content).layout
    return performances.read(connection, source.id, metric, _ranges(first, wanted), counted, layout, wanted.slices)


def _source(connection: Connection, wanted: Wanted) -> Row[Any] | None:
    """What the revision's pods count over: as they have said last."""
    columns = drift_sources.c
    return connection.execute(
        select(drift_sources)
        .where(columns.model == wanted.model, columns.revision == wanted.revision)
        .order_by(columns.reported_at.desc(), columns.id.desc())
        .limit(1)
    ).one_or_none()


def _first(source: Row[Any], wanted: Wanted) -> int | None:
    """The first window that was counted from its beginning."""
    return None if source.first_slice is None else -(-source.first_slice // wanted.slices)


def _chosen(source: Row[Any], wanted: Wanted) -> ColumnElement[bool]:
    columns, slices, first = drift_slices.c, wanted.slices, _first(source, wanted)
    mine = columns.source_id == source.id
    if first is None:
        return and_(mine, columns.slice < 0)
    within = (
        and_(columns.slice >= low * slices, columns.slice < high * slices) for low, high in _ranges(first, wanted)
    )
    return and_(mine, or_(*within))


def _ranges(first: int, wanted: Wanted) -> list[tuple[int, int]]:
    """Which windows are read: from, and up to but not including."""
    split = min(first + wanted.baseline, wanted.until)
    return [(first, split), (max(split, wanted.until - max(wanted.last, wanted.performance)), wanted.until)]


def _windows(connection: Connection, source: Row[Any], wanted: Wanted) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(drift_slices.c.slice, drift_slices.c.counters)
        .where(_chosen(source, wanted))
        .order_by(drift_slices.c.slice)
    )
    parts: dict[int, list[bytes]] = {}
    for slice_, counters in rows:
        parts.setdefault(slice_ // wanted.slices, []).append(bytes(counters))
    return [{"index": index, "counters": list(add_up(packed, source.size))} for index, packed in parts.items()]
