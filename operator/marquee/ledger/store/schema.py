"""The tables, the same in SQLite and PostgreSQL.

Rows of units (`exposures`, `unit_values`, `outcomes`, `pending`) are what happened; the integers (`cohorts`,
`credits`) are sums over them, kept up to date in the same transaction and recomputed by ``verify``. A *place* is
``2·step + arm``: a rollout's steps only rise and its ramp moves units only from stable to canary, so the smallest
place at which a unit was seen is that of its first exposure, in whatever order the batches arrive.
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
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata: Final = MetaData()

rollouts: Final = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", String(114), nullable=False, doc="namespace/name"),
    Column("name", String(63), nullable=False),
    Column("declaration", Text, doc="JSON as declared; null: seen in a batch before it was declared"),
    Column("opened_at", BigInteger, nullable=False, doc="seconds since 1970"),
    Column("closed_at", BigInteger, doc="seconds since 1970; its rows of units are swept"),
    Column("swept", Boolean, nullable=False, default=False, doc="no rows of its units are left"),
    Column("stamping", Text, doc="JSON; null: the model's pods don't stamp their requests themselves"),
    UniqueConstraint("model", "name"),
)

plans: Final = Table(
    "plans",
    metadata,
    Column("rollout_id", Integer, ForeignKey("rollouts.id"), primary_key=True),
    Column("asked", String(63), nullable=False, doc="name that the controller has for it"),
    Column("attempt", Integer, nullable=False, doc="from 1; the same name may come back"),
    Column("content", Text, nullable=False, doc="JSON: what it is judged by, as the model said when it began"),
    Column("step", SmallInteger, nullable=False, doc="-1: before the first"),
    Column("started_at", BigInteger, nullable=False, doc="seconds since 1970"),
    Column("step_started_at", BigInteger, nullable=False, doc="seconds since 1970"),
    Column("result", String(16), doc="how it ended"),
    Column("answered_step", SmallInteger, doc="step that the kept answer was given for"),
    Column("answer", Text, doc="JSON: the last answer that moved it on or ended it"),
)
"""Rollouts that somebody else moves, and asks about; see ``docs/judge.md``."""

metrics: Final = Table(
    "metrics",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rollout_id", Integer, ForeignKey("rollouts.id"), nullable=False),
    Column("outcome", String(63), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("decimals", SmallInteger, nullable=False),
    Column("cap", BigInteger, nullable=False, doc="in the smallest unit"),
    UniqueConstraint("rollout_id", "outcome"),
)

cohorts: Final = Table(
    "cohorts",
    metadata,
    Column("rollout_id", Integer, ForeignKey("rollouts.id"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("exposures", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("slow", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False, doc="changes of this row"),
    sqlite_with_rowid=False,
)

credits_: Final = Table(
    "credits",
    metadata,
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("successes", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("squares_high", BigInteger, nullable=False, doc="sum of squares = high * 2^32 + low"),
    Column("squares_low", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False, doc="changes of this row"),
    sqlite_with_rowid=False,
)

exposures: Final = Table(
    "exposures",
    metadata,
    Column("unit", BigInteger, doc="unit hash, as a signed number; first, for PostgreSQL aligns to 8 bytes"),
    Column("rollout_id", Integer),
    Column("place", SmallInteger, nullable=False),
    PrimaryKeyConstraint("rollout_id", "unit"),
    sqlite_with_rowid=False,
)

unit_values: Final = Table(
    "unit_values",
    metadata,
    Column("metric_id", Integer, primary_key=True),
    Column("unit", BigInteger, primary_key=True),
    Column("total", BigInteger, nullable=False, doc="capped sum of the unit's outcomes; 1 for a success"),
    sqlite_with_rowid=False,
)

outcomes: Final = Table(
    "outcomes",
    metadata,
    Column("metric_id", Integer, primary_key=True),
    Column("unit", BigInteger, primary_key=True),
    Column("prediction", BigInteger, primary_key=True, doc="first 8 bytes of the id's signature"),
    Column("value", BigInteger, nullable=False, doc="capped, in the smallest unit"),
    sqlite_with_rowid=False,
)

pending: Final = Table(
    "pending",
    metadata,
    Column("rollout_id", Integer, primary_key=True),
    Column("unit", BigInteger, primary_key=True, doc="has outcomes, but no exposure yet"),
    sqlite_with_rowid=False,
)

batches: Final = Table(
    "batches",
    metadata,
    Column("kind", SmallInteger, primary_key=True, doc="0 exposures, 1 counts, 2 drift counters, 3 decisions"),
    Column("batch_id", LargeBinary(16), primary_key=True),
    Column("digest", BigInteger, nullable=False, doc="of the content"),
    Column("received_at", BigInteger, nullable=False, index=True, doc="seconds since 1970"),
    sqlite_with_rowid=False,
)
