"""Drift counters: sources, epochs and slices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "drift_sources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=114), nullable=False),
        sa.Column("revision", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.BigInteger(), nullable=False),
        sa.Column("first_slice", sa.BigInteger(), nullable=True),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("swept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model", "revision", "digest"),
    )
    op.create_table(
        "drift_epochs",
        sa.Column("epoch", sa.LargeBinary(length=12), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("slice", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["drift_sources.id"]),
        sa.PrimaryKeyConstraint("epoch"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_drift_epochs_received_at", "drift_epochs", ["received_at"], unique=False)
    op.create_table(
        "drift_slices",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("slice", sa.BigInteger(), nullable=False),
        sa.Column("counters", sa.LargeBinary(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["drift_sources.id"]),
        sa.PrimaryKeyConstraint("source_id", "slice"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("drift_slices")
    op.drop_index("ix_drift_epochs_received_at", table_name="drift_epochs")
    op.drop_table("drift_epochs")
    op.drop_table("drift_sources")
