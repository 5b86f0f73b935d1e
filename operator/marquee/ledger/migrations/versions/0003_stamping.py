"""Rollouts whose pods stamp their requests themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the rollouts that are there have a gateway."""
    op.add_column("rollouts", sa.Column("stamping", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("rollouts", "stamping")
