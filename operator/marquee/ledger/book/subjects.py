"""The rows of data subjects: found by their pseudonyms under any master key, made with a key of their own."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, insert, select, text, update

from marquee.ledger.book.sealing import KeyRing, new_key, seal, unseal
from marquee.ledger.errors import SealBrokenError
from marquee.ledger.store.subjects_schema import subject_models, subjects

log = logging.getLogger(__name__)

MASTER_IDS: Final = 256
_CHUNK: Final = 500
"""Pseudonyms in one statement."""
_INSERT_MODEL: Final = text(
    "INSERT INTO subject_models (model, suppressions) VALUES (:model, 0) ON CONFLICT (model) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One row. A person may have two where two ledgers on one database met her at once: all that is done is to both."""

    id: int
    unit: bytes
    master_id: int
    wrapped: bytes
    decisions: int
    erasing: int | None
    forgotten_at: int | None

    @property
    def is_known(self) -> bool:
        """Whether anything is kept of it, and may be told."""
        return self.forgotten_at is None and self.erasing is None


def model_id(connection: Connection, model: str) -> int | None:
    """A model's row, if anything was ever said of its subjects."""
    found = connection.execute(select(subject_models.c.id).where(subject_models.c.model == model))
    return found.scalar_one_or_none()


def open_model(connection: Connection, model: str, *, exclusively: bool = False) -> int:
    """A model's row, made where there is none.

    Args:
        connection: in a transaction that writes.
        model: ``namespace/name``.
        exclusively: nothing else is written about its subjects until this transaction ends: an erasure sees all that
            was kept before it, and nothing slips in beside it.

    """
    connection.execute(_INSERT_MODEL, {"model": model})
    row = select(subject_models.c.id).where(subject_models.c.model == model)
    return int(connection.execute(row.with_for_update(read=not exclusively)).scalar_one())


def models(connection: Connection) -> list[str]:
    """All models with a log of decisions or a suppression list."""
    return list(connection.execute(select(subject_models.c.model).order_by(subject_models.c.model)).scalars())


def find(
    connection: Connection, of_model: int, model: str, units: Collection[bytes], ring: KeyRing, *, lock: bool = False
) -> dict[bytes, list[Subject]]:
    """The rows of units, by the unit; units without one are left out."""
    names = {ring.pseudonym(model, unit, master_id): unit for unit in units for master_id in ring.masters}
    found: defaultdict[bytes, list[Subject]] = defaultdict(list)
    for chunk in _chunks(list(names)):
        rows = select(subjects).where(subjects.c.model_id == of_model, subjects.c.pseudonym.in_(chunk))
        for row in connection.execute(_locked(rows.order_by(subjects.c.id), lock=lock)):
            unit = names[bytes(row.pseudonym)]
            found[unit].append(_subject(row, unit))
    return found


def add(connection: Connection, of_model: int, model: str, units: Iterable[bytes], ring: KeyRing) -> dict[bytes, int]:
    """Make rows, each with a new key; their ids by the unit."""
    wanted = sorted(units)
    if not wanted:
        return {}
    rows = [{"model_id": of_model, "decisions": 0, **_secrets(model, unit, ring, new_key())} for unit in wanted]
    made = connection.execute(insert(subjects).returning(subjects.c.id, sort_by_parameter_order=True), rows).scalars()
    return dict(zip(wanted, made, strict=True))


def revive(connection: Connection, subject: Subject, model: str, ring: KeyRing) -> None:
    """Somebody who was forgotten is met again: as a new subject, with a new key."""
    given = _secrets(model, subject.unit, ring, new_key())
    connection.execute(
        update(subjects).where(subjects.c.id == subject.id).values(decisions=0, forgotten_at=None, **given)
    )


def rekey(connection: Connection, ring: KeyRing, limit: int) -> bool:
    """Put some subjects of older master keys under the newest one; whether there may be more."""
    old = [master_id for master_id in ring.masters if master_id != ring.newest]
    if not old:
        return False
    rows = select(subjects, subject_models.c.model).join(subject_models)
    chosen = rows.where(subjects.c.master_id.in_(old), live()).order_by(subjects.c.id).limit(limit)
    found = connection.execute(_locked(chosen, lock=True)).all()
    moved = 0
    for row in found:
        try:
            key = ring.unwrap(bytes(row.key), row.master_id)
            given = _secrets(row.model, unit_of(row, key), ring, key)
        except SealBrokenError as error:  # it stays as it is, and nothing else waits for it
            log.error("a subject of %s stays under the master key %d: %s", row.model, row.master_id, error)
            continue
        moved += connection.execute(update(subjects).where(subjects.c.id == row.id).values(**given)).rowcount
    return moved > 0 and len(found) >= limit


def strangers(connection: Connection, ring: KeyRing) -> int:
    """Subjects whose master key is missing: nobody can find, read or forget them."""
    missing = [master_id for master_id in range(MASTER_IDS) if master_id not in ring.masters]
    is_strange = subjects.c.master_id.in_(missing) & subjects.c.forgotten_at.is_(None)
    return len(connection.execute(select(subjects.c.id).where(is_strange).limit(1_000)).all())


def live() -> ColumnElement[bool]:
    """Rows with a key that nobody has asked to destroy."""
    return subjects.c.erasing.is_(None) & subjects.c.forgotten_at.is_(None)


def unit_of(row: Row[Any], key: bytes) -> bytes:
    """The unit's hash of a row that has its model's name. Raises `SealBrokenError`."""
    return unseal(key, bytes(row.unit), _binding(row.model))


def _secrets(model: str, unit: bytes, ring: KeyRing, key: bytes) -> dict[str, Any]:
    return {
        "pseudonym": ring.pseudonym(model, unit, ring.newest),
        "master_id": ring.newest,
        "key": ring.wrap(key),
        "unit": seal(key, unit, _binding(model)),
    }


def _binding(model: str) -> bytes:
    return b"unit of " + model.encode()


def _subject(row: Row[Any], unit: bytes) -> Subject:
    return Subject(row.id, unit, row.master_id, bytes(row.key), row.decisions, row.erasing, row.forgotten_at)


def _locked(statement: Any, *, lock: bool) -> Any:
    return statement.with_for_update(of=subjects) if lock else statement


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
