"""Rollouts that somebody else moves: what they are judged by, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, Select, insert, select, update

from marquee.ledger.book.entries import Begin, Ending, RolloutKey, Turn
from marquee.ledger.book.rollouts import OpenRollout, declare
from marquee.ledger.book.statistics import Integers, read
from marquee.ledger.store.schema import plans, rollouts

_CHUNK: Final = 1_000
"""Names in one statement: databases bound its parameters."""
_COLUMNS: Final = (*plans.c, rollouts.c.model, rollouts.c.name, rollouts.c.closed_at)


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout that somebody else moves, as the book has it."""

    rollout: RolloutKey
    asked: str
    attempt: int
    content: str
    step: int
    """From 0; -1: before the first."""
    started_at: int
    step_started_at: int
    """Seconds since 1970, as all moments here."""
    closed_at: int | None
    ending: Ending | None
    answered_step: int | None
    """Step that ``answer`` was given for."""
    answer: str
    """JSON; empty while none has moved it on."""


def find(connection: Connection, model: str, asked: str | None) -> Plan | None:
    """The newest attempt of a name; without one the rollout under way, or else the newest."""
    chosen = _chosen().where(rollouts.c.model == model)
    if asked is not None:
        chosen = chosen.where(plans.c.asked == asked)
    ordered = chosen.order_by(
        rollouts.c.closed_at.is_not(None), plans.c.started_at.desc(), plans.c.attempt.desc(), plans.c.rollout_id.desc()
    )
    row = connection.execute(ordered.limit(1)).one_or_none()
    return _plan(row) if row is not None else None


def look(connection: Connection, model: str, asked: str | None) -> tuple[Plan, Integers] | None:
    """The same with its integers, of one snapshot."""
    plan = find(connection, model, asked)
    if plan is None:
        return None
    (integers,) = read(connection, [plan.rollout])
    return plan, integers


def under_way(connection: Connection, models: Sequence[str]) -> dict[str, str]:
    """Names of the rollouts that have not ended, by model."""
    found: dict[str, str] = {}
    for start in range(0, len(models), _CHUNK):
        rows = connection.execute(
            select(rollouts.c.model, rollouts.c.name)
            .join(plans, plans.c.rollout_id == rollouts.c.id)
            .where(rollouts.c.model.in_(models[start : start + _CHUNK]), rollouts.c.closed_at.is_(None))
        )
        found |= {row.model: row.name for row in rows}
    return found


def begin(connection: Connection, entry: Begin, rollout: OpenRollout, now: int) -> bool:
    """Write what a rollout is judged by and what it counts; False when it had begun already.

    Raises:
        DeclarationChangedError: somebody has declared other metrics for a rollout of that name.

    """
    if connection.execute(select(plans.c.step).where(plans.c.rollout_id == rollout.id)).one_or_none() is not None:
        return False
    declare(connection, entry.rollout, rollout, entry.declaration)
    connection.execute(
        insert(plans).values(
            rollout_id=rollout.id,
            asked=entry.asked,
            attempt=entry.attempt,
            content=entry.content,
            step=entry.step,
            started_at=now,
            step_started_at=now,
        )
    )
    return True


def supersede(connection: Connection, found: Mapping[RolloutKey, OpenRollout], beginning: RolloutKey, now: int) -> None:
    """End what else is under way of the model: one controller moves its traffic, and it has begun anew."""
    others = (
        select(rollouts.c.id, rollouts.c.model, rollouts.c.name)
        .join(plans, plans.c.rollout_id == rollouts.c.id)
        .where(rollouts.c.model == beginning.model, rollouts.c.name != beginning.name, rollouts.c.closed_at.is_(None))
        .order_by(rollouts.c.name)
        .with_for_update(of=rollouts)
    )
    for number, model, name in connection.execute(others).all():
        _end(connection, number, Ending.SUPERSEDED, now)
        if (known := found.get(RolloutKey(model, name))) is not None:
            known.closed = True


def turn(connection: Connection, entry: Turn, rollout: OpenRollout | None, now: int) -> bool:
    """Move a rollout on; False when it is not where this was decided any more."""
    if rollout is None or rollout.closed:
        return False
    values: dict[str, int | str] = {"step": entry.after}
    if entry.after != entry.before:
        values["step_started_at"] = now
    if entry.answer:
        values |= {"answer": entry.answer, "answered_step": entry.before}
    moved = connection.execute(
        update(plans).where(plans.c.rollout_id == rollout.id, plans.c.step == entry.before).values(values)
    )
    if moved.rowcount != 1:
        return False
    if entry.ending is not None:
        _end(connection, rollout.id, entry.ending, now)
        rollout.closed = True
    return True


def _end(connection: Connection, rollout_id: int, ending: Ending, now: int) -> None:
    connection.execute(update(plans).where(plans.c.rollout_id == rollout_id).values(result=ending.value))
    connection.execute(update(rollouts).where(rollouts.c.id == rollout_id).values(closed_at=now))


def _chosen() -> Select[tuple[object, ...]]:
    return select(*_COLUMNS).join(rollouts, plans.c.rollout_id == rollouts.c.id)


def _plan(row: Row[tuple[object, ...]]) -> Plan:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row by its columns
    return Plan(
        rollout=RolloutKey(found[rollouts.c.model], found[rollouts.c.name]),
        asked=found[plans.c.asked],
        attempt=found[plans.c.attempt],
        content=found[plans.c.content],
        step=found[plans.c.step],
        started_at=found[plans.c.started_at],
        step_started_at=found[plans.c.step_started_at],
        closed_at=found[rollouts.c.closed_at],
        ending=Ending(found[plans.c.result]) if found[plans.c.result] else None,
        answered_step=found[plans.c.answered_step],
        answer=found[plans.c.answer] or "",
    )
