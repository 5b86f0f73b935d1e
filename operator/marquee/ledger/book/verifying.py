"""Recomputing the integers from the rows of units, and saying where the two differ.

Closed rollouts are left out, and outcomes by score that are too old: their rows are swept. Requests, errors and slow
requests are increments without rows behind them; only what contradicts itself shows there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from marquee.ledger.book.tally import squares_of

_OPEN: Final = "SELECT id FROM rollouts WHERE closed_at IS NULL"

_EXPOSURES: Final = text(f"""
    SELECT rollout_id, place, count(*) FROM exposures WHERE rollout_id IN ({_OPEN}) GROUP BY rollout_id, place
""")  # noqa: S608 - constants of ours
_COHORTS: Final = text(f"""
    SELECT rollout_id, place, exposures FROM cohorts WHERE exposures <> 0 AND rollout_id IN ({_OPEN})
""")  # noqa: S608 - constants of ours
_VALUES: Final = text(f"""
    SELECT v.metric_id, e.place, sum(CASE WHEN v.total > 0 THEN 1 ELSE 0 END), sum(v.total),
           sum((v.total * v.total) >> 32), sum((v.total * v.total) & 4294967295)
    FROM unit_values AS v
    JOIN metrics AS m ON m.id = v.metric_id
    JOIN exposures AS e ON e.rollout_id = m.rollout_id AND e.unit = v.unit
    WHERE v.total > 0 AND m.rollout_id IN ({_OPEN})
    GROUP BY v.metric_id, e.place
""")  # noqa: S608 - constants of ours
_CREDITS: Final = text(f"""
    SELECT c.metric_id, c.place, c.successes, c.total, c.squares_high, c.squares_low
    FROM credits AS c JOIN metrics AS m ON m.id = c.metric_id WHERE m.rollout_id IN ({_OPEN})
""")  # noqa: S608 - constants of ours
_TOTALS: Final = text(f"""
    SELECT m.outcome, count(*) FROM metrics AS m
    JOIN (SELECT metric_id, unit, sum(value) AS value FROM outcomes GROUP BY metric_id, unit) AS o ON o.metric_id = m.id
    LEFT JOIN unit_values AS v ON v.metric_id = o.metric_id AND v.unit = o.unit
    WHERE m.rollout_id IN ({_OPEN})
      AND (v.total IS NULL OR v.total <> CASE WHEN o.value > m.cap THEN m.cap ELSE o.value END)
    GROUP BY m.outcome
""")  # noqa: S608 - constants of ours
_PENDING: Final = text(f"""
    SELECT count(*) FROM (
        SELECT DISTINCT m.rollout_id, v.unit FROM unit_values AS v JOIN metrics AS m ON m.id = v.metric_id
        LEFT JOIN exposures AS e ON e.rollout_id = m.rollout_id AND e.unit = v.unit
        WHERE e.unit IS NULL AND m.rollout_id IN ({_OPEN})
    ) AS w
    LEFT JOIN pending AS p ON p.rollout_id = w.rollout_id AND p.unit = w.unit
    WHERE p.unit IS NULL
""")  # noqa: S608 - constants of ours
_EXPOSED_PENDING: Final = text(f"""
    SELECT count(*) FROM pending AS p
    JOIN exposures AS e ON e.rollout_id = p.rollout_id AND e.unit = p.unit WHERE p.rollout_id IN ({_OPEN})
""")  # noqa: S608 - constants of ours
_SCORED: Final = text("""
    SELECT o.metric_id, o.source_id, o.slice, o.bin, count(*), sum(o.value),
           sum((o.value * o.value) >> 32), sum((o.value * o.value) & 4294967295)
    FROM scored_outcomes AS o JOIN score_metrics AS m ON m.id = o.metric_id
    JOIN drift_sources AS s ON s.id = o.source_id
    WHERE o.slice >= m.swept_before GROUP BY o.metric_id, o.source_id, o.slice, o.bin
""")
_SCORE_CREDITS: Final = text("""
    SELECT c.metric_id, c.source_id, c.slice, c.bin, c.outcomes, c.total, c.squares_high, c.squares_low
    FROM score_credits AS c JOIN score_metrics AS m ON m.id = c.metric_id
    JOIN drift_sources AS s ON s.id = c.source_id WHERE c.slice >= m.swept_before
""")
_COUNTS: Final = text("SELECT rollout_id, place FROM cohorts WHERE errors > requests OR slow > requests OR errors < 0")


def verify(connection: Connection) -> list[str]:
    """Contradictions in the book, one sentence each; none is what should come out.

    Args:
        connection: in a transaction that sees one snapshot.

    """
    return [*_exposures(connection), *_credits(connection), *_rows(connection), *_scores(connection)]


def _exposures(connection: Connection) -> Iterator[str]:
    rows = {(rollout, place): int(count) for rollout, place, count in connection.execute(_EXPOSURES)}
    kept = {(rollout, place): int(count) for rollout, place, count in connection.execute(_COHORTS)}
    for rollout, place in sorted(rows.keys() | kept.keys()):
        actual, written = rows.get((rollout, place), 0), kept.get((rollout, place), 0)
        if actual != written:
            yield f"rollout {rollout}, place {place}: {written} exposures are written, {actual} are in the rows"


def _credits(connection: Connection) -> Iterator[str]:
    rows = {(metric, place): _sums(*sums) for metric, place, *sums in connection.execute(_VALUES)}
    kept = {(metric, place): _sums(*sums) for metric, place, *sums in connection.execute(_CREDITS)}
    for metric, place in sorted(rows.keys() | kept.keys()):
        actual, written = rows.get((metric, place), (0, 0, 0)), kept.get((metric, place), (0, 0, 0))
        if actual != written:
            yield f"metric {metric}, place {place}: successes, sum, squares are {written}, the rows give {actual}"


def _scores(connection: Connection) -> Iterator[str]:
    rows = {tuple(row[:4]): _sums(*row[4:]) for row in connection.execute(_SCORED)}
    kept = {tuple(row[:4]): _sums(*row[4:]) for row in connection.execute(_SCORE_CREDITS)}
    for key in sorted(rows.keys() | kept.keys()):
        metric, source, slice_, place = key
        actual, written = rows.get(key, (0, 0, 0)), kept.get(key, (0, 0, 0))
        if actual != written:
            where = f"performance {metric}, bins {source}, slice {slice_}, bin {place}"
            yield f"{where}: outcomes, sum, squares are {written}, the rows give {actual}"


def _sums(successes: int, total: int, high: int, low: int) -> tuple[int, int, int]:
    return int(successes), int(total), squares_of(int(high), int(low))


def _rows(connection: Connection) -> Iterator[str]:
    for outcome, count in connection.execute(_TOTALS):
        yield f"outcome {outcome}: {count} units have another sum than their outcomes"
    if lost := connection.execute(_PENDING).scalar_one():
        yield f"{lost} units have outcomes, no exposure, and nothing that waits for it"
    if stale := connection.execute(_EXPOSED_PENDING).scalar_one():
        yield f"{stale} units wait for an exposure that is there"
    for rollout, place in connection.execute(_COUNTS):
        yield f"rollout {rollout}, place {place}: more errors or slow requests than requests"
