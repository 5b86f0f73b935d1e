"""Data subjects: keys, sealed decisions, suppression lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "subject_models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=114), nullable=False),
        sa.Column("suppressions", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("model"),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("pseudonym", sa.LargeBinary(length=16), nullable=False),
        sa.Column("master_id", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.LargeBinary(length=40), nullable=False),
        sa.Column("unit", sa.LargeBinary(length=36), nullable=False),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.Column("erasing", sa.BigInteger(), nullable=True),
        sa.Column("asked", sa.Text(), nullable=True),
        sa.Column("forgotten_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["subject_models.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_subjects_model_id_pseudonym", "subjects", ["model_id", "pseudonym"], unique=False)
    op.create_index("ix_subjects_master_id", "subjects", ["master_id"], unique=False)
    for name in ("erasing", "forgotten_at"):
        where = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_subjects_{name}", "subjects", [name], unique=False, sqlite_where=where, postgresql_where=where
        )
    op.create_table(
        "decisions",
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.String(length=63), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"]),
        sa.PrimaryKeyConstraint("subject_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_decisions_expires_at", "decisions", ["expires_at"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("entry", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("entry"),
    )
    op.create_table(
        "suppressed",
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("unit", sa.LargeBinary(length=8), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["subject_models.id"]),
        sa.PrimaryKeyConstraint("model_id", "unit"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("suppressed")
    op.drop_table("erasures")
    op.drop_index("ix_decisions_expires_at", table_name="decisions")
    op.drop_table("decisions")
    for name in ("forgotten_at", "erasing", "master_id", "model_id_pseudonym"):
        op.drop_index(f"ix_subjects_{name}", table_name="subjects")
    op.drop_table("subjects")
    op.drop_table("subject_models")
