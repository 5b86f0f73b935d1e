"""The book: rollouts, rows of units, and the integers over them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "batches",
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("batch_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "batch_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_batches_received_at", "batches", ["received_at"], unique=False)
    op.create_table(
        "exposures",
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("rollout_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "outcomes",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("prediction", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric_id", "unit", "prediction"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pending",
        sa.Column("rollout_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=114), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("swept", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model", "name"),
    )
    op.create_table(
        "unit_values",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric_id", "unit"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cohorts",
        sa.Column("rollout_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("exposures", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("slow", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"]),
        sa.PrimaryKeyConstraint("rollout_id", "place"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "metrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("decimals", sa.SmallInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("rollout_id", "outcome"),
    )
    op.create_table(
        "credits",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("successes", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("squares_high", sa.BigInteger(), nullable=False),
        sa.Column("squares_low", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"]),
        sa.PrimaryKeyConstraint("metric_id", "place"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop all tables."""
    op.drop_table("credits")
    op.drop_table("metrics")
    op.drop_table("cohorts")
    op.drop_table("unit_values")
    op.drop_table("rollouts")
    op.drop_table("pending")
    op.drop_table("outcomes")
    op.drop_table("exposures")
    op.drop_table("batches")
