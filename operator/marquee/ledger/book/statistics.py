"""The integers, read as of one moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Select, select, tuple_

from marquee.contract.cohort import Arm
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.book.stamping import stored
from marquee.ledger.book.tally import squares_of
from marquee.ledger.store.schema import cohorts, credits_, metrics, rollouts

_CHUNK: Final = 1_000
_ARMS: Final = tuple(arm.label for arm in Arm)
_NOTHING: Final = {"successes": 0, "sum": "0", "sumOfSquares": "0"}

_Chosen = Select[tuple[int]]


def read(connection: Connection, keys: Collection[RolloutKey] | None) -> list[dict[str, Any]]:
    """`RolloutStatistics` as JSON would have them, in the order of their names.

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


def _read(connection: Connection, condition: Any) -> list[dict[str, Any]]:
    """Four statements, each fetched at once and without a join: a thousand rollouts have some ten thousand cohorts."""
    ids: _Chosen = select(rollouts.c.id).where(condition)
    found = _rollouts(connection, condition)
    _credits(connection, ids, found, _cohorts(connection, ids, found))
    for document in found.values():
        names = [metric["outcome"] for metric in document["metrics"]]
        for cohort in document["cohorts"]:
            if len(cohort["outcomes"]) < len(names):
                cohort["outcomes"] = dict.fromkeys(names, _NOTHING) | cohort["outcomes"]
    return list(found.values())


def _rollouts(connection: Connection, condition: Any) -> dict[int, dict[str, Any]]:
    columns = rollouts.c
    rows = connection.execute(
        select(columns.id, columns.model, columns.name, columns.declaration, columns.closed_at, columns.stamping)
        .where(condition)
        .order_by(columns.model, columns.name)
    )
    found = {}
    for number, model, name, declaration, closed_at, text in rows.all():
        stamping = stored(text)
        found[number] = {
            "model": model,
            "rollout": name,
            "revision": (declaration is not None) + (closed_at is not None) + (stamping.changes if stamping else 0),
            "closed": closed_at is not None,
            "stamping": stamping is not None and not stamping.over,
            "metrics": orjson.loads(declaration)["metrics"] if declaration else [],
            "cohorts": [],
        }
    return found


def _cohorts(
    connection: Connection, ids: _Chosen, found: dict[int, dict[str, Any]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Add the cohorts; each of them by (rollout, place)."""
    columns = cohorts.c
    wanted = (columns.exposures, columns.requests, columns.errors, columns.slow, columns.revision)
    rows = connection.execute(
        select(columns.rollout_id, columns.place, *wanted)
        .where(columns.rollout_id.in_(ids))
        .order_by(columns.rollout_id, columns.place)
    )
    by_place: dict[tuple[int, int], dict[str, Any]] = {}
    for number, place, exposures, requests, errors, slow, revision in rows.all():
        document = found[number]
        document["revision"] += revision
        cohort = {
            "step": place // 2,
            "arm": _ARMS[place % 2],
            "exposures": exposures,
            "requests": requests,
            "errors": errors,
            "slow": slow,
            "outcomes": {},
        }
        document["cohorts"].append(cohort)
        by_place[number, place] = cohort
    return by_place


def _credits(
    connection: Connection,
    ids: _Chosen,
    found: dict[int, dict[str, Any]],
    of_cohorts: dict[tuple[int, int], dict[str, Any]],
) -> None:
    """Add what was credited to each cohort."""
    chosen = metrics.c.rollout_id.in_(ids)
    named = connection.execute(select(metrics.c.id, metrics.c.rollout_id, metrics.c.outcome).where(chosen)).all()
    metric_of = {number: (rollout_id, outcome) for number, rollout_id, outcome in named}
    columns = credits_.c
    wanted = (columns.successes, columns.total, columns.squares_high, columns.squares_low, columns.revision)
    rows = connection.execute(
        select(columns.metric_id, columns.place, *wanted)
        .where(columns.metric_id.in_(select(metrics.c.id).where(chosen)))
        .order_by(columns.metric_id, columns.place)
    )
    for number, place, successes, total, high, low, revision in rows.all():
        rollout_id, outcome = metric_of[number]
        found[rollout_id]["revision"] += revision
        of_cohorts[rollout_id, place]["outcomes"][outcome] = {
            "successes": successes,
            "sum": str(total),
            "sumOfSquares": str(squares_of(high, low)),
        }
