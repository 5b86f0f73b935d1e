"""Rollouts in a transaction: found or opened, locked, declared, closed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Connection, func, insert, select, text, tuple_, update

from marquee.contract.ledger import MetricKind, RolloutDeclaration
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.errors import DeclarationChangedError, RolloutUnknownError, TooManyRolloutsError
from marquee.ledger.store.schema import cohorts, metrics, pending, rollouts

MAX_UNDECLARED: Final = 100
"""Rollouts of one model that may be seen before they are declared; more are a sender gone wrong."""
_CHUNK: Final = 1_000
"""Names in one statement: databases bound its parameters."""

_Item = TypeVar("_Item")

_OPEN: Final = text("""
    INSERT INTO rollouts (model, name, opened_at, swept) VALUES (:model, :name, :now, false)
    ON CONFLICT (model, name) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class OpenMetric:
    """A declared outcome of a rollout."""

    id: int
    kind: MetricKind
    decimals: int
    cap: int
    """In the smallest unit."""


@dataclass(slots=True)
class OpenRollout:
    """A rollout as it stands when the transaction has locked it."""

    id: int
    declaration: str | None
    closed: bool
    stamping: str | None = None
    last_place: int = -1
    """Largest place with a row; -1 when there is none."""
    has_pending: bool = False
    metrics: dict[str, OpenMetric] = field(default_factory=dict)


def find(
    connection: Connection, named: Collection[RolloutKey], *, opened: Collection[RolloutKey], now: int
) -> dict[RolloutKey, OpenRollout]:
    """The rollouts with these names, locked until the transaction ends.

    All of a transaction's rollouts are locked here, in the order of their names: two writers cannot wait for each
    other. What the lock protects is read by later statements: PostgreSQL would show the one that waits for the lock
    what there was before it waited.

    Args:
        connection: in a transaction.
        named: any number of names; those that do not exist are left out.
        opened: some of them, which are made when they do not exist.
        now: seconds since 1970.

    """
    ordered = sorted(named)
    found = _lock(connection, ordered)
    if missing := [key for key in ordered if key in opened and key not in found]:
        connection.execute(_OPEN, [{"model": key.model, "name": key.name, "now": now} for key in missing])
        found = _lock(connection, ordered)
    by_id = {rollout.id: rollout for rollout in found.values()}
    for ids in _chunks(sorted(by_id)):
        _add_state(connection, by_id, ids)
        _add_metrics(connection, by_id, ids)
    return found


def _lock(connection: Connection, keys: Sequence[RolloutKey]) -> dict[RolloutKey, OpenRollout]:
    columns = rollouts.c
    found = {}
    for names in _chunks(keys):
        rows = connection.execute(
            select(columns.model, columns.name, columns.id, columns.declaration, columns.closed_at, columns.stamping)
            .where(tuple_(columns.model, columns.name).in_([tuple(key) for key in names]))
            .order_by(columns.model, columns.name)
            .with_for_update()
        )
        for model, name, number, declaration, closed_at, stamping in rows:
            found[RolloutKey(model, name)] = OpenRollout(number, declaration, closed_at is not None, stamping)
    return found


def _add_state(connection: Connection, by_id: dict[int, OpenRollout], ids: Sequence[int]) -> None:
    last_place = select(func.max(cohorts.c.place)).where(cohorts.c.rollout_id == rollouts.c.id).scalar_subquery()
    waiting = select(pending.c.unit).where(pending.c.rollout_id == rollouts.c.id).exists()
    for number, place, has_pending in connection.execute(
        select(rollouts.c.id, last_place, waiting).where(rollouts.c.id.in_(ids))
    ):
        by_id[number].last_place = -1 if place is None else place
        by_id[number].has_pending = bool(has_pending)


def _add_metrics(connection: Connection, by_id: dict[int, OpenRollout], ids: Sequence[int]) -> None:
    for row in connection.execute(select(metrics).where(metrics.c.rollout_id.in_(ids))):
        kind = MetricKind(row.kind)
        by_id[row.rollout_id].metrics[row.outcome] = OpenMetric(row.id, kind, row.decimals, row.cap)


def refuse_flood(connection: Connection, keys: Collection[RolloutKey], found: Mapping[RolloutKey, OpenRollout]) -> None:
    """Bound the rollouts that exist only because some batch named them.

    Raises:
        TooManyRolloutsError: a model has too many that nobody declared.

    """
    models = sorted({key.model for key in keys if found[key].declaration is None and found[key].last_place < 0})
    for model in models:
        undeclared = select(func.count()).where(rollouts.c.model == model, rollouts.c.declaration.is_(None))
        if connection.execute(undeclared).scalar_one() > MAX_UNDECLARED:
            raise TooManyRolloutsError(
                f"{model} would have more than {MAX_UNDECLARED} rollouts that were never declared; declare them "
                "first, or look at what its predictors take for their cohort"
            )


def declare(connection: Connection, key: RolloutKey, rollout: OpenRollout, declaration: RolloutDeclaration) -> bool:
    """Write a rollout's metrics; False when they were known already.

    Raises:
        DeclarationChangedError: other metrics were declared before.

    """
    content = orjson.dumps(declaration.model_dump(mode="json", by_alias=True)).decode()
    if rollout.declaration == content:
        return False
    if rollout.declaration is not None:
        raise DeclarationChangedError(
            f"{key} was declared with other metrics, and counts by them; a change of what is measured is a new rollout"
        )
    connection.execute(update(rollouts).where(rollouts.c.id == rollout.id).values(declaration=content))
    rollout.declaration = content
    if declaration.metrics:
        connection.execute(insert(metrics), _metric_rows(rollout.id, declaration))
        _add_metrics(connection, {rollout.id: rollout}, [rollout.id])
    return True


def _metric_rows(rollout_id: int, declaration: RolloutDeclaration) -> list[dict[str, Any]]:
    return [
        {
            "rollout_id": rollout_id,
            "outcome": metric.outcome,
            "kind": metric.kind.value,
            "decimals": metric.decimals,
            "cap": metric.scaled_cap,
        }
        for metric in declaration.metrics
    ]


def close(connection: Connection, key: RolloutKey, rollout: OpenRollout | None, now: int) -> bool:
    """End a rollout; False when it had ended already.

    Raises:
        RolloutUnknownError: there is none of this name.

    """
    if rollout is None:
        raise RolloutUnknownError(f"there is no rollout {key}")
    if rollout.closed:
        return False
    connection.execute(update(rollouts).where(rollouts.c.id == rollout.id).values(closed_at=now))
    rollout.closed = True
    return True


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
