"""Alembic's entry: migrations run on the connection and in the transaction of whoever calls."""

from __future__ import annotations

from alembic import context

from marquee.ledger.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
