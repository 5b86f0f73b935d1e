"""The tables of data subjects: their keys, the decisions that are sealed with them, and who is suppressed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from marquee.ledger.store.schema import metadata

subject_models: Final = Table(
    "subject_models",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String(114), nullable=False, unique=True, doc="namespace/name"),
    Column("suppressions", BigInteger, nullable=False, doc="changes of its list"),
)

subjects: Final = Table(
    "subjects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", Integer, ForeignKey("subject_models.id"), nullable=False),
    Column("pseudonym", LargeBinary(16), nullable=False, doc="HMAC of the unit's hash, by a key that is not here"),
    Column("master_id", SmallInteger, nullable=False, index=True, doc="names the master key of pseudonym and key"),
    Column("key", LargeBinary(40), nullable=False, doc="the subject's own, wrapped; empty: destroyed"),
    Column("unit", LargeBinary(36), nullable=False, doc="the unit's hash, sealed with the subject's key"),
    Column("decisions", BigInteger, nullable=False, doc="number of its newest decision"),
    Column("erasing", BigInteger, doc="is being forgotten; entries of the audit log when that began"),
    Column("asked", Text, doc="JSON while it is being forgotten: who wants that, and why"),
    Column("forgotten_at", BigInteger, doc="seconds since 1970; earlier decisions that come late are not taken"),
    Index("ix_subjects_model_id_pseudonym", "model_id", "pseudonym"),
)

_is_erasing: Final = subjects.c.erasing.is_not(None)
_is_forgotten: Final = subjects.c.forgotten_at.is_not(None)
Index("ix_subjects_erasing", subjects.c.erasing, sqlite_where=_is_erasing, postgresql_where=_is_erasing)
Index("ix_subjects_forgotten_at", subjects.c.forgotten_at, sqlite_where=_is_forgotten, postgresql_where=_is_forgotten)

decisions: Final = Table(
    "decisions",
    metadata,
    Column("subject_id", Integer, ForeignKey("subjects.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True, doc="1, 2, 3, ... of the subject"),
    Column("revision", String(63), nullable=False),
    Column("milliseconds", BigInteger, nullable=False, doc="since 1970"),
    Column("expires_at", BigInteger, nullable=False, index=True, doc="seconds since 1970"),
    Column("sealed", LargeBinary, nullable=False, doc="nonce and AES-256-GCM ciphertext"),
    sqlite_with_rowid=False,
)

erasures: Final = Table(
    "erasures",
    metadata,
    Column("entry", BigInteger, primary_key=True, autoincrement=False, doc="index in the audit log of what was done"),
)

suppressed: Final = Table(
    "suppressed",
    metadata,
    Column("model_id", Integer, ForeignKey("subject_models.id"), primary_key=True),
    Column("unit", LargeBinary(8), primary_key=True, doc="the unit's hash, as pods must know it"),
    Column("since", BigInteger, nullable=False, doc="seconds since 1970"),
    sqlite_with_rowid=False,
)
