"""Outcomes by score: what is declared, what happened, and its sums."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "score_metrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=114), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("declared_at", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("changes", sa.BigInteger(), nullable=False),
        sa.Column("swept_before", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_score_metrics_model", "score_metrics", ["model"], unique=False)
    op.create_table(
        "scored_outcomes",
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("slice", sa.BigInteger(), nullable=False),
        sa.Column("prediction", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric_id", "slice", "prediction"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "score_credits",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("slice", sa.BigInteger(), nullable=False),
        sa.Column("bin", sa.SmallInteger(), nullable=False),
        sa.Column("outcomes", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("squares_high", sa.BigInteger(), nullable=False),
        sa.Column("squares_low", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "metric_id", "slice", "bin"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("score_credits")
    op.drop_table("scored_outcomes")
    op.drop_index("ix_score_metrics_model", table_name="score_metrics")
    op.drop_table("score_metrics")
