"""The tables of drift counters: who counts over which bins, their processes, and one row a slice of time; and of
outcomes by score. `scored_outcomes` is what happened, `score_credits` are sums over it that ``verify`` recomputes.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    SmallInteger,
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

score_metrics: Final = Table(
    "score_metrics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String(114), nullable=False, index=True, doc="namespace/name"),
    Column("content", Text, nullable=False, doc="JSON as declared"),
    Column("declared_at", BigInteger, nullable=False, doc="seconds since 1970"),
    Column("superseded", Boolean, nullable=False, doc="another was declared since; its rows are swept"),
    Column("changes", BigInteger, nullable=False, doc="times that outcomes were added"),
    Column("swept_before", BigInteger, nullable=False, doc="rows of earlier slices may be gone"),
)

scored_outcomes: Final = Table(
    "scored_outcomes",
    metadata,
    Column("metric_id", Integer, primary_key=True),
    Column("slice", BigInteger, primary_key=True, doc="of the prediction"),
    Column("prediction", BigInteger, primary_key=True, doc="first 8 bytes of the id's signature"),
    Column("source_id", Integer, nullable=False),
    Column("bin", SmallInteger, nullable=False, doc="of the score that was answered"),
    Column("value", BigInteger, nullable=False, doc="capped, in the smallest unit; 1 of a proportion"),
    sqlite_with_rowid=False,
)

score_credits: Final = Table(
    "score_credits",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("metric_id", Integer, primary_key=True),
    Column("slice", BigInteger, primary_key=True),
    Column("bin", SmallInteger, primary_key=True),
    Column("outcomes", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("squares_high", BigInteger, nullable=False, doc="sum of squares = high * 2^32 + low"),
    Column("squares_low", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
