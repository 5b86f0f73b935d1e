"""Erasure of a subject, as steps that each leave the book whole: mark, destroy the key, forget the rest.

A mark is durable before anything else happens, so that an interrupted erasure is found and finished. Between mark and
key lies the entry in the audit log, which is not of the book: `marquee.ledger.erasing` goes through all of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson
from sqlalchemy import Connection, delete, func, insert, select, text, update

from marquee.ledger.book import subjects as people
from marquee.ledger.book import suppressing
from marquee.ledger.book.entries import Forget, MarkAgain, MarkErased, Promise
from marquee.ledger.book.sealing import KeyRing, commitment
from marquee.ledger.errors import SealBrokenError
from marquee.ledger.store.schema import rollouts
from marquee.ledger.store.subjects_schema import decisions, erasures, subject_models, subjects

_DONE: Final = text("INSERT INTO erasures (entry) VALUES (:entry) ON CONFLICT DO NOTHING")
_LOOKED_AT: Final = 5_000
"""Rows of one step of a search."""
_DESTROYED: Final = b""

_BY_ROLLOUT: Final = tuple(
    text(f"UPDATE {name} SET unit = :stranger WHERE unit = :unit AND rollout_id = :rollout_id")  # noqa: S608 - ours
    for name in ("exposures", "pending")
)
_BY_METRIC: Final = tuple(
    text(
        f"UPDATE {name} SET unit = :stranger WHERE unit = :unit AND metric_id IN "  # noqa: S608 - names of ours
        "(SELECT id FROM metrics WHERE rollout_id = :rollout_id)"
    )
    for name in ("unit_values", "outcomes")
)


@dataclass(frozen=True, slots=True)
class Marked:
    """A subject whose erasure is under way."""

    id: int
    model: str
    log_size: int
    """Entries of the audit log when it began."""
    actor: str
    ground: str
    commitment: str
    """Empty when the key is gone."""

    @property
    def has_key(self) -> bool:
        """Whether the key is still there: the audit log may or may not have its entry yet."""
        return bool(self.commitment)


def mark(connection: Connection, entry: MarkErased, now: int) -> None:
    """Mark a subject's rows, and take its hash out of the rows of rollouts.

    Where it has no row, it is remembered that decisions from before are not taken any more.
    """
    of_model = people.open_model(connection, entry.model, exclusively=True)
    if entry.suppress:
        suppressing.change(connection, entry.model, [entry.unit], listed=True, now=now)
    found = people.find(connection, of_model, entry.model, [entry.unit], entry.ring, lock=True).get(entry.unit, [])
    for subject in found:
        asked = orjson.dumps([entry.actor, entry.ground]).decode()
        values = {"erasing": entry.log_size, "asked": asked} if subject.is_known else {"forgotten_at": now}
        if subject.erasing is None:
            connection.execute(update(subjects).where(subjects.c.id == subject.id).values(**values))
    if not found:
        _remember(connection, of_model, entry, now)
    _unlink(connection, entry.model, entry.unit)


def of_unit(connection: Connection, ring: KeyRing, model: str, unit: bytes) -> list[int]:
    """Ids of a subject's marked rows."""
    of_model = people.model_id(connection, model)
    found = people.find(connection, of_model, model, [unit], ring) if of_model is not None else {}
    return [one.id for one in found.get(unit, []) if one.erasing is not None]


def unfinished(connection: Connection) -> list[int]:
    """Ids of all rows that are marked, the oldest first."""
    rows = select(subjects.c.id).where(subjects.c.erasing.is_not(None)).order_by(subjects.c.id)
    return list(connection.execute(rows).scalars())


def marked(connection: Connection, ring: KeyRing, subject_id: int) -> Marked | None:
    """One of them; None when it is finished. Raises `SealBrokenError`."""
    rows = select(subjects, subject_models.c.model).join(subject_models)
    row = connection.execute(rows.where(subjects.c.id == subject_id, subjects.c.erasing.is_not(None))).one_or_none()
    if row is None:
        return None
    promise = ""
    if bytes(row.key) != _DESTROYED:
        key = ring.unwrap(bytes(row.key), row.master_id)
        promise = commitment(key, row.model, people.unit_of(row, key))
    actor, ground = orjson.loads(row.asked)
    return Marked(row.id, row.model, row.erasing, actor, ground, promise)


def destroy(connection: Connection, subject_id: int) -> None:
    """Overwrite the key of a marked subject."""
    this = (subjects.c.id == subject_id) & subjects.c.erasing.is_not(None)
    connection.execute(update(subjects).where(this).values(key=_DESTROYED, unit=_DESTROYED))


def forget(connection: Connection, entry: Forget, now: int) -> int:
    """Delete what nobody can read any more, and take the mark away; the number of decisions."""
    this = (subjects.c.id == entry.subject_id) & subjects.c.erasing.is_not(None) & (subjects.c.key == _DESTROYED)
    values = {"erasing": None, "asked": None, "forgotten_at": now, "decisions": 0}
    if not connection.execute(update(subjects).where(this).values(**values)).rowcount:
        return 0
    if entry.entry is not None:
        connection.execute(_DONE, {"entry": entry.entry})
    return connection.execute(delete(decisions).where(decisions.c.subject_id == entry.subject_id)).rowcount


def newest_done(connection: Connection) -> int:
    """Index of the newest entry of the audit log whose erasure this database has seen; -1: it has seen none."""
    newest = connection.execute(select(func.max(erasures.c.entry))).scalar_one()
    return -1 if newest is None else int(newest)


def returned(
    connection: Connection, ring: KeyRing, promises: Mapping[str, Promise], after: int
) -> tuple[dict[int, Promise], int | None]:
    """Those among some rows whose erasure was promised before, by their ids, and where to go on; None: at the end.

    Args:
        connection: that reads.
        ring: master keys.
        promises: by their commitments.
        after: id of the last row that was looked at.

    """
    rows = select(subjects, subject_models.c.model).join(subject_models).where(subjects.c.id > after, people.live())
    found, last = dict[int, Promise](), None
    for number, row in enumerate(connection.execute(rows.order_by(subjects.c.id).limit(_LOOKED_AT)), start=1):
        last = row.id if number == _LOOKED_AT else None
        try:
            key = ring.unwrap(bytes(row.key), row.master_id)
            unit = people.unit_of(row, key)
        except SealBrokenError:
            continue
        if (promise := promises.get(commitment(key, row.model, unit))) is not None:
            found[row.id] = replace(promise, unit=unit)
    return found, last


def mark_again(connection: Connection, entry: MarkAgain) -> None:
    """Mark rows whose erasure is in the audit log already."""
    for subject_id, promise in entry.promises.items():
        asked = orjson.dumps([promise.actor, promise.ground]).decode()
        this = (subjects.c.id == subject_id) & people.live()
        connection.execute(update(subjects).where(this).values(erasing=promise.entry, asked=asked))
        _unlink(connection, promise.model, promise.unit)
    if entry.newest >= 0:
        connection.execute(_DONE, {"entry": entry.newest})


def _remember(connection: Connection, of_model: int, entry: MarkErased, now: int) -> None:
    newest = entry.ring.newest
    row = {
        "model_id": of_model,
        "pseudonym": entry.ring.pseudonym(entry.model, entry.unit, newest),
        "master_id": newest,
        "key": _DESTROYED,
        "unit": _DESTROYED,
        "decisions": 0,
        "forgotten_at": now,
    }
    connection.execute(insert(subjects).values(**row))


def _unlink(connection: Connection, model: str, unit: bytes) -> None:
    """A rollout's integers are sums over units, whoever they are: another number in the unit's place changes none."""
    rows = select(rollouts.c.id).where(rollouts.c.model == model, rollouts.c.swept.is_(False))
    for rollout_id in connection.execute(rows).scalars().all():
        given = {"rollout_id": rollout_id, "unit": _signed(unit), "stranger": _signed(secrets.token_bytes(8))}
        for statement in (*_BY_ROLLOUT, *_BY_METRIC):
            connection.execute(statement, given)


def _signed(unit: bytes) -> int:
    return int.from_bytes(unit, "big", signed=True)
