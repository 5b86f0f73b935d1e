"""Bringing the database to the schema of this version, before anything is served."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from marquee.ledger.errors import SchemaError, StoreUnavailableError
from marquee.ledger.store.database import Database

_SCRIPTS: Final = Path(__file__).resolve().parents[1] / "migrations"
_LOCK: Final = 5_494_032_781
"""Advisory lock of PostgreSQL: of several replicas that start at once, one migrates and the others wait."""


def migrate(database: Database) -> None:
    """Create or upgrade the tables, in one transaction.

    Raises:
        SchemaError: the database was written by a newer version.
        StoreUnavailableError: it does not answer, or is no database.

    """
    try:
        _migrate(database)
    except SQLAlchemyError as error:
        where = database.url.render_as_string(hide_password=True)
        raise StoreUnavailableError(f"the database {where} cannot be used: {error.__cause__ or error}") from error


def _migrate(database: Database) -> None:
    with database.writer.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = alembic_config(connection)
        _refuse_unknown(connection, ScriptDirectory.from_config(config))
        command.upgrade(config, "head")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one connection; there is no file."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(connection: Connection, scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise SchemaError(
                f"the database has schema {revision}, which this version does not know: it was written by a newer "
                "ledger; run that version, or restore a backup from before the upgrade"
            )
