"""The tables of drift counters: who counts over which bins, their processes, and one row a slice of time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from marquee.ledger.store.schema import metadata

drift_sources: Final = Table(
    "drift_sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String(114), nullable=False, doc="namespace/name"),
    Column("revision", String(63), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, doc="of the bins"),
    Column("size", Integer, nullable=False, doc="number of counters"),
    Column("content", Text, nullable=False, doc="JSON: the report of the bins"),
    Column("reported_at", BigInteger, nullable=False, doc="seconds since 1970, of the newest report"),
    Column("first_slice", BigInteger, doc="null: nothing was counted yet"),
    Column("lost", BigInteger, nullable=False, doc="numbers of batches that never came"),
    Column("swept_at", BigInteger, nullable=False, doc="seconds since 1970"),
    UniqueConstraint("model", "revision", "digest"),
)

drift_epochs: Final = Table(
    "drift_epochs",
    metadata,
    Column("epoch", LargeBinary(12), primary_key=True, doc="of one process of one pod"),
    Column("source_id", Integer, ForeignKey("drift_sources.id"), nullable=False),
    Column("number", BigInteger, nullable=False, doc="of its newest batch"),
    Column("slice", BigInteger, nullable=False, doc="of its newest batch"),
    Column("received_at", BigInteger, nullable=False, index=True, doc="seconds since 1970"),
    sqlite_with_rowid=False,
)

drift_slices: Final = Table(
    "drift_slices",
    metadata,
    Column("source_id", Integer, ForeignKey("drift_sources.id"), primary_key=True),
    Column("slice", BigInteger, primary_key=True, doc="its beginning in seconds since 1970, divided by 900"),
    Column("counters", LargeBinary, nullable=False, doc="packed; empty: zeros"),
    Column("changes", BigInteger, nullable=False, doc="batches in it"),
    sqlite_with_rowid=False,
)
