"""Logged decisions: each batch once, each decision sealed with its subject's key, until it expires."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, text, tuple_, update

from marquee.ledger.book import subjects as people
from marquee.ledger.book import suppressing
from marquee.ledger.book.batches import Batch, BatchKind, take
from marquee.ledger.book.entries import Keep, Sealable
from marquee.ledger.book.sealing import Binding, KeyRing, seal, unseal
from marquee.ledger.book.subjects import Subject
from marquee.ledger.store.subjects_schema import decisions, subjects

DAY_SECONDS: Final = 86_400
_CHUNK: Final = 500
"""Ids in one statement."""
FORGOTTEN_SECONDS: Final = 7 * DAY_SECONDS
"""So long a forgotten subject's pseudonym is remembered: longer than a pod's spool can hold decisions from before."""

_COUNTED: Final = update(subjects).where(subjects.c.id == bindparam("subject")).values(decisions=bindparam("last"))
_EXPIRED: Final = text(
    "DELETE FROM decisions WHERE (subject_id, number) IN "
    "(SELECT subject_id, number FROM decisions WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit) "
    "RETURNING subject_id"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A decision as it was sent."""

    revision: str
    milliseconds: int
    expires_at: int
    plaintext: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Decisions of one subject, in the order in which they were kept."""

    decisions: list[Kept]
    next: tuple[int, int] | None
    """Where the next page begins; None: that was all."""


def keep(connection: Connection, entries: Sequence[Keep], now: int) -> list[bool]:
    """Take batches; for each, whether it is new. What is of suppressed or just forgotten subjects is left out.

    Raises:
        BatchReusedError: a batch id came back with other content.
        SealBrokenError: a subject's key cannot be read.

    """
    new = take(connection, [Batch(BatchKind.DECISIONS, entry.batch_id, entry.digest) for entry in entries], now)
    for entry, is_new in zip(entries, new, strict=True):
        if is_new:
            _keep(connection, entry)
    return new


def read(
    connection: Connection, ring: KeyRing, model: str, unit: bytes, *, after: tuple[int, int], limit: int, now: int
) -> Page:
    """Decrypt what is kept of one subject. Raises `SealBrokenError`."""
    of_model = people.model_id(connection, model)
    found = people.find(connection, of_model, model, [unit], ring) if of_model is not None else {}
    keys = {one.id: ring.unwrap(one.wrapped, one.master_id) for one in found.get(unit, []) if one.is_known}
    place = tuple_(decisions.c.subject_id, decisions.c.number)
    chosen = select(decisions).where(decisions.c.subject_id.in_(keys), place > after, decisions.c.expires_at > now)
    ordered = chosen.order_by(decisions.c.subject_id, decisions.c.number).limit(limit + 1)
    rows = connection.execute(ordered).all()
    more = len(rows) > limit
    kept = [
        Kept(row.revision, row.milliseconds, row.expires_at, _opened(keys[row.subject_id], model, row))
        for row in rows[:limit]
    ]
    return Page(kept, (rows[limit - 1].subject_id, rows[limit - 1].number) if more else None)


def sweep(connection: Connection, limit: int, now: int) -> bool:
    """Delete some decisions that have expired, and the keys of subjects that have none left; whether more may go."""
    emptied = connection.execute(_EXPIRED, {"now": now, "limit": limit}).scalars().all()
    old = select(subjects.c.id).where(subjects.c.forgotten_at <= now - FORGOTTEN_SECONDS).limit(limit)
    forgotten = connection.execute(old).scalars().all()
    if not emptied and not forgotten:
        return False
    # locked first: what another ledger adds meanwhile is seen by the next statement, or waits for this one
    chosen = sorted({*emptied, *forgotten})
    for start in range(0, len(chosen), _CHUNK):
        ids = chosen[start : start + _CHUNK]
        connection.execute(
            select(subjects.c.id).where(subjects.c.id.in_(ids)).order_by(subjects.c.id).with_for_update()
        )
        nothing = ~exists().where(decisions.c.subject_id == subjects.c.id)
        connection.execute(delete(subjects).where(subjects.c.id.in_(ids), subjects.c.erasing.is_(None), nothing))
    return len(emptied) >= limit or len(forgotten) >= limit


def _keep(connection: Connection, entry: Keep) -> None:
    of_model = people.open_model(connection, entry.model)
    by_unit: defaultdict[bytes, list[Sealable]] = defaultdict(list)
    for one in entry.decisions:
        by_unit[one.unit].append(one)
    for unit in suppressing.among(connection, of_model, by_unit):
        del by_unit[unit]
    known = people.find(connection, of_model, entry.model, by_unit, entry.ring, lock=True)
    wanted = {unit: welcome for unit, mine in by_unit.items() if (welcome := _welcome(mine, known.get(unit, [])))}
    if not wanted:
        return
    for unit in wanted.keys() & known.keys():
        if all(one.forgotten_at is not None for one in known[unit]):
            people.revive(connection, known[unit][0], entry.model, entry.ring)
    people.add(connection, of_model, entry.model, wanted.keys() - known.keys(), entry.ring)
    rows = people.find(connection, of_model, entry.model, wanted, entry.ring)
    _insert(connection, entry, wanted, {unit: _live(found) for unit, found in rows.items()})


def _welcome(mine: Sequence[Sealable], known: Sequence[Subject]) -> list[Sealable]:
    """What is not of before an erasure, nor of a subject whose erasure is under way."""
    if any(one.erasing is not None for one in known):
        return []
    since = max((one.forgotten_at * 1_000 for one in known if one.forgotten_at is not None), default=-1)
    return [one for one in mine if one.milliseconds > since]


def _live(found: Sequence[Subject]) -> Subject:
    return next(one for one in found if one.is_known)


def _insert(
    connection: Connection, entry: Keep, wanted: Mapping[bytes, Sequence[Sealable]], rows: Mapping[bytes, Subject]
) -> None:
    made, counted = list[dict[str, Any]](), list[tuple[int, int]]()
    for unit, mine in wanted.items():
        subject = rows[unit]
        key = entry.ring.unwrap(subject.wrapped, subject.master_id)
        for number, one in enumerate(mine, start=subject.decisions + 1):
            binding = Binding(entry.model, entry.revision, one.milliseconds, number)
            made.append(
                {
                    "subject_id": subject.id,
                    "number": number,
                    "revision": entry.revision,
                    "milliseconds": one.milliseconds,
                    "expires_at": one.milliseconds // 1_000 + entry.retention_days * DAY_SECONDS,
                    "sealed": seal(key, one.plaintext, binding.data),
                }
            )
        counted.append((subject.id, subject.decisions + len(mine)))
    connection.execute(insert(decisions), made)
    connection.execute(_COUNTED, [{"subject": subject_id, "last": last} for subject_id, last in sorted(counted)])


def _opened(key: bytes, model: str, row: Any) -> bytes:
    binding = Binding(model, row.revision, row.milliseconds, row.number)
    return unseal(key, bytes(row.sealed), binding.data)
