"""Rows that are not needed any more go in slices: a slice holds up other entries for milliseconds, not minutes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select, text, update

from marquee.ledger.store.schema import rollouts

BATCH_MEMORY_SECONDS: Final = 7 * 24 * 3_600
"""How long a batch id is remembered: a predictor's spool never holds a batch for so long."""

_BY_ROLLOUT: Final = {
    name: text(
        f"DELETE FROM {name} WHERE rollout_id = :rollout_id AND unit IN "  # noqa: S608 - names of ours
        f"(SELECT unit FROM {name} WHERE rollout_id = :rollout_id LIMIT :limit)"
    )
    for name in ("exposures", "pending")
}
_BY_METRIC: Final = {
    name: text(
        f"DELETE FROM {name} WHERE metric_id IN (SELECT id FROM metrics WHERE rollout_id = :rollout_id) AND unit IN "  # noqa: S608
        f"(SELECT unit FROM {name} WHERE metric_id IN "
        "(SELECT id FROM metrics WHERE rollout_id = :rollout_id) LIMIT :limit)"
    )
    for name in ("unit_values", "outcomes")
}
_BATCHES: Final = text(
    "DELETE FROM batches WHERE (kind, batch_id) IN "
    "(SELECT kind, batch_id FROM batches WHERE received_at < :before LIMIT :limit)"
)


def sweep(connection: Connection, limit: int, now: int) -> bool:
    """Delete up to some rows of closed rollouts and old batch ids; whether any may be left."""
    before = now - BATCH_MEMORY_SECONDS
    more = connection.execute(_BATCHES, {"before": before, "limit": limit}).rowcount >= limit
    chosen = select(rollouts.c.id).where(rollouts.c.closed_at.is_not(None), rollouts.c.swept.is_(False)).limit(1)
    rollout_id = connection.execute(chosen).scalar_one_or_none()
    if rollout_id is None:
        return more
    for statement in (*_BY_METRIC.values(), *_BY_ROLLOUT.values()):
        if connection.execute(statement, {"rollout_id": rollout_id, "limit": limit}).rowcount:
            return True
    connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(swept=True))
    return True
