"""What became of a window's answers, by bin of their score: traced answers, and the outcomes that came for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, text

from marquee.contract.drift import Layout
from marquee.contract.ledger import MetricKind
from marquee.ledger.book.score_metrics import current
from marquee.ledger.book.tally import squares_of

_SUMS: Final = text("""
    SELECT slice / :slices AS place, bin, sum(outcomes), sum(total), sum(squares_high), sum(squares_low)
    FROM score_credits
    WHERE source_id = :source_id AND metric_id = :metric_id AND slice >= :low AND slice < :high
    GROUP BY slice / :slices, bin
""")


def tag(connection: Connection, model: str) -> tuple[int, int]:
    """Numbers that differ whenever what is counted does."""
    metric = current(connection, [model]).get(model)
    return (metric.id, metric.changes) if metric is not None else (0, 0)


def read(
    connection: Connection,
    source_id: int,
    metric: Row[Any],
    ranges: Iterable[tuple[int, int]],
    counted: Sequence[dict[str, Any]],
    layout: Layout,
    slices: int,
) -> dict[str, Any]:
    """`PerformanceReply` as JSON would have it.

    Args:
        connection: in a transaction that sees one snapshot.
        source_id: over which bins is counted.
        metric: a row of `score_metrics`.
        ranges: of windows.
        counted: those windows' counters.
        layout: of the counters.
        slices: of one window.

    """
    size, declared = len(layout.traced), orjson.loads(metric.content)
    found: defaultdict[int, list[list[int]]] = defaultdict(lambda: [[0] * size for _ in range(4)])
    for window in counted:
        found[window["index"]][0] = window["counters"][layout.traced.start : layout.traced.stop]
    for low, high in ranges:
        given = {"source_id": source_id, "metric_id": metric.id, "slices": slices}
        for row in connection.execute(_SUMS, {**given, "low": low * slices, "high": high * slices}):
            index, place, count, total, squares_high, squares_low = map(int, row)
            if place < size:
                values = count, total, squares_of(squares_high, squares_low)
                for column, value in zip(found[index][1:], values, strict=True):
                    column[place] = value
    return {"metric": declared, "windows": [_window(index, found[index], declared) for index in sorted(found)]}


def _window(index: int, columns: Sequence[Sequence[int]], declared: dict[str, Any]) -> dict[str, Any]:
    rows, counts, totals, squares = columns
    window: dict[str, Any] = {"index": index, "rows": rows, "outcomes": counts}
    if declared["kind"] == MetricKind.MEAN:
        window |= {"totals": [*map(str, totals)], "squares": [*map(str, squares)]}
    return window
