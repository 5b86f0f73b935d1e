"""Suppression lists: whom a model's pods withhold, and a number that grows with each change.

Pods compare hashes of those who ask, so here hashes stand as they are; whoever has this table can test a guess.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from marquee.ledger.book.subjects import model_id, open_model
from marquee.ledger.store.subjects_schema import subject_models, suppressed

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list."""

    revision: int
    units: list[bytes]
    is_last: bool


def change(connection: Connection, model: str, units: Collection[bytes], *, listed: bool, now: int) -> tuple[int, int]:
    """Put units on a model's list, or take them off; how many were not (or were) there, and the list's revision."""
    of_model = open_model(connection, model, exclusively=True)
    known = among(connection, of_model, units)
    changed = sorted(set(units) - known) if listed else sorted(known)
    for start in range(0, len(changed), _CHUNK):
        chunk = changed[start : start + _CHUNK]
        if listed:
            rows = [{"model_id": of_model, "unit": unit, "since": now} for unit in chunk]
            connection.execute(insert(suppressed), rows)
        else:
            gone = (suppressed.c.model_id == of_model) & suppressed.c.unit.in_(chunk)
            connection.execute(delete(suppressed).where(gone))
    this = subject_models.c.id == of_model
    if changed:
        connection.execute(update(subject_models).where(this).values(suppressions=subject_models.c.suppressions + 1))
    return len(changed), connection.execute(select(subject_models.c.suppressions).where(this)).scalar_one()


def among(connection: Connection, of_model: int, units: Collection[bytes]) -> set[bytes]:
    """Those of the units that are on the list."""
    found = set[bytes]()
    wanted = list(units)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        rows = select(suppressed.c.unit).where(suppressed.c.model_id == of_model, suppressed.c.unit.in_(chunk))
        found |= {bytes(unit) for unit in connection.execute(rows).scalars()}
    return found


def is_listed(connection: Connection, model: str, unit: bytes) -> bool:
    """Whether one unit is on a model's list."""
    of_model = model_id(connection, model)
    return of_model is not None and bool(among(connection, of_model, [unit]))


def revision(connection: Connection, model: str) -> int:
    """The list's revision; 0: it was never changed."""
    found = connection.execute(select(subject_models.c.suppressions).where(subject_models.c.model == model))
    return found.scalar_one_or_none() or 0


def page(connection: Connection, model: str, after: bytes, limit: int) -> Listed:
    """Units behind one, in the order of their hashes."""
    of_model = model_id(connection, model)
    rows = select(suppressed.c.unit).where(suppressed.c.model_id == of_model, suppressed.c.unit > after)
    units = [bytes(unit) for unit in connection.execute(rows.order_by(suppressed.c.unit).limit(limit + 1)).scalars()]
    return Listed(revision(connection, model), units[:limit], len(units) <= limit)
