"""The integers, read as of one moment. The database writes the JSON of cohorts: no step of Python a metric."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Select, Text, and_, case, cast, func, select, tuple_

from marquee.contract.cohort import Arm
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.book.stamping import stored
from marquee.ledger.book.tally import squares_of
from marquee.ledger.store.schema import cohorts, credits_, metrics, rollouts

_CHUNK: Final = 1_000
_COHORT: Final = '{"step":%s,"arm":"%s","exposures":%s,"requests":%s,"errors":%s,"slow":%s,"outcomes":{%s}}'
_OUTCOME: Final = '"%s":{"successes":%s,"sum":"%s","sumOfSquares":"%s"}'
"""No name needs to be escaped: `OutcomeName` has letters, digits, hyphens and underscores only."""
_APART: Final = "~"
"""Between the two columns of a sum of squares that 64 bits may not hold. It stands nowhere else in a cohort's text."""
_COLUMNS: Final = re.compile(rf"(-?\d+){_APART}(-?\d+)")

_Chosen = Select[tuple[int]]


@dataclass(frozen=True, slots=True)
class Integers:
    """What is counted of one rollout."""

    rollout: RolloutKey
    document: bytes
    """`RolloutStatistics` as JSON."""


def read(connection: Connection, keys: Collection[RolloutKey] | None) -> list[Integers]:
    """The integers of some rollouts, in the order of their names.

    Args:
        connection: in a transaction that sees one snapshot.
        keys: the rollouts to read; unknown ones are left out. None: those that are not closed.

    """
    if keys is None:
        return _read(connection, rollouts.c.closed_at.is_(None))
    ordered = sorted(set(keys))
    found = []
    for start in range(0, len(ordered), _CHUNK):
        names = [tuple(key) for key in ordered[start : start + _CHUNK]]
        found += _read(connection, tuple_(rollouts.c.model, rollouts.c.name).in_(names))
    return found


def _read(connection: Connection, condition: Any) -> list[Integers]:
    """Two statements, each fetched at once: a thousand rollouts have some ten thousand cohorts."""
    columns = rollouts.c
    rows = connection.execute(
        select(columns.id, columns.model, columns.name, columns.declaration, columns.closed_at, columns.stamping)
        .where(condition)
        .order_by(columns.model, columns.name)
    ).all()
    revisions: dict[int, int] = dict.fromkeys([row.id for row in rows], 0)
    texts: dict[int, list[str]] = {row.id: [] for row in rows}
    for number, revision, text in connection.execute(_cohorts(select(rollouts.c.id).where(condition))).all():
        revisions[number] += revision
        texts[number].append(text)
    return [_integers(row, revisions[row.id], ",".join(texts[row.id])) for row in rows]


def _integers(row: Any, revision: int, counted: str) -> Integers:
    stamping = stored(row.stamping)
    if _APART in counted:
        counted = _COLUMNS.sub(lambda found: str(squares_of(int(found[1]), int(found[2]))), counted)
    declared, closed = row.declaration is not None, row.closed_at is not None
    document = {
        "model": row.model,
        "rollout": row.name,
        "revision": revision + declared + closed + (stamping.changes if stamping else 0),
        "closed": closed,
        "stamping": stamping is not None and not stamping.over,
        "metrics": orjson.loads(row.declaration)["metrics"] if declared else [],
        "cohorts": orjson.Fragment(f"[{counted}]"),
    }
    return Integers(RolloutKey(row.model, row.name), orjson.dumps(document))


def _cohorts(ids: _Chosen) -> Select[Any]:
    """Rollout, revision and text of each cohort, with every declared outcome, in the order of their places."""
    cohort, credit, outcome = cohorts.c, credits_.c, metrics.c.outcome
    numbers = (cohort.exposures, cohort.requests, cohort.errors, cohort.slow)
    arm = case((cohort.place % 2 == Arm.STABLE.value, Arm.STABLE.label), else_=Arm.CANARY.label)
    sums = (func.coalesce(credit.successes, 0), func.coalesce(credit.total, 0), _squares())
    each = case((outcome.is_not(None), func.format(_OUTCOME, outcome, *sums)))  # null where nothing is declared
    outcomes = func.aggregate_strings(each, ",")
    return (
        select(
            cohort.rollout_id,
            cohort.revision + cast(func.coalesce(func.sum(credit.revision), 0), cohort.revision.type),
            func.format(_COHORT, cohort.place // 2, arm, *numbers, func.coalesce(outcomes, "")),
        )
        .outerjoin(metrics, metrics.c.rollout_id == cohort.rollout_id)
        .outerjoin(credits_, and_(credit.metric_id == metrics.c.id, credit.place == cohort.place))
        .where(cohort.rollout_id.in_(ids))
        .group_by(cohort.rollout_id, cohort.place)
        .order_by(cohort.rollout_id, cohort.place)
    )


def _squares() -> Any:
    """The sum as text where 64 bits hold it for sure, or else its two columns."""
    high, low = credits_.c.squares_high, credits_.c.squares_low
    fits = and_(high.between(-(1 << 30), (1 << 30) - 1), low < 1 << 62)
    whole = cast(high * (1 << 32) + low, Text)
    return case((high.is_(None), "0"), (fits, whole), else_=func.format(f"%s{_APART}%s", high, low))
