"""By which outcome each model's performance is counted, and what goes when nobody needs it any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from marquee.contract.drift import SLICE_SECONDS
from marquee.contract.ledger import MetricDeclaration
from marquee.ledger.book.drift import RETENTION_SECONDS
from marquee.ledger.store.drift_schema import drift_sources, score_credits, score_metrics, scored_outcomes

_SWEEP_SLICES: Final = 24
"""Rows go by so many slices at once."""
_NEVER: Final = 2**62

_SWEEP: Final = text(
    "DELETE FROM scored_outcomes WHERE (metric_id, slice, prediction) IN "
    "(SELECT o.metric_id, o.slice, o.prediction FROM score_metrics AS m "
    "JOIN scored_outcomes AS o ON o.metric_id = m.id AND o.slice < m.swept_before LIMIT :limit)"
)


def declare(connection: Connection, model: str, metric: MetricDeclaration, now: int) -> bool:
    """Count a model's performance by this outcome from now on; False when that was known.

    Another one begins anew: what was counted of the one before is swept.
    """
    content = metric.model_dump_json(by_alias=True)
    known = current(connection, [model], lock=True).get(model)
    if known is not None and known.content == content:
        return False
    columns = score_metrics.c
    connection.execute(
        update(score_metrics)
        .where(columns.model == model, columns.superseded.is_(False))
        .values(superseded=True, swept_before=_NEVER)
    )
    given = {"model": model, "content": content, "declared_at": now}
    connection.execute(insert(score_metrics).values(**given, superseded=False, changes=0, swept_before=0))
    return True


def current(connection: Connection, models: Iterable[str], *, lock: bool = False) -> dict[str, Row[Any]]:
    """What models declare, as rows of `score_metrics`."""
    columns = score_metrics.c
    wanted = select(score_metrics).where(columns.model.in_(sorted(models)), columns.superseded.is_(False))
    ordered = wanted.order_by(columns.model, columns.id)
    return {row.model: row for row in connection.execute(ordered.with_for_update() if lock else ordered)}


def sweep(connection: Connection, limit: int, now: int) -> bool:
    """Delete rows that no outcome can come for any more, and outcomes that are not declared any more; whether there may
    be others."""
    if connection.execute(_SWEEP, {"limit": limit}).rowcount:
        return True
    columns, old = score_metrics.c, (now - RETENTION_SECONDS) // SLICE_SECONDS
    forgotten = ~select(drift_sources.c.id).where(drift_sources.c.model == columns.model).exists()
    is_over = columns.superseded | (forgotten & (columns.declared_at < now - RETENTION_SECONDS))
    over = connection.execute(select(columns.id).where(is_over).limit(1)).scalar_one_or_none()
    if over is not None:
        for table in (scored_outcomes, score_credits):
            connection.execute(delete(table).where(table.c.metric_id == over))
        connection.execute(delete(score_metrics).where(columns.id == over))
        return True
    later = update(score_metrics).where(columns.swept_before < old - _SWEEP_SLICES)
    return connection.execute(later.values(swept_before=old)).rowcount > 0
