"""Connecting to the database, with the settings that durability rests on.

SQLite runs in WAL mode with ``synchronous=FULL``: each commit has been fsynced when it is acknowledged, so neither a
killed process nor a power cut takes an acknowledged entry, as far as the disk keeps what it confirms. ``NORMAL``
would be faster and would lose the commits since the last checkpoint in a power cut; one fsync serves a whole group
of batches, so that speed is not needed. PostgreSQL is asked for ``synchronous_commit=on`` for the same reason.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from marquee.ledger.errors import SettingsError, StoreUnavailableError
from marquee.ledger.store.bulk import Bulk, PostgresBulk, SqliteBulk
from marquee.ledger.store.temporary import temporary_folder

_CACHE_KIBIBYTES: Final = 64 * 1024
_CHECKPOINT_PAGES: Final = 16_000
"""64 MB: pages that many commits touch are copied into the database once."""
_BUSY_MILLISECONDS: Final = 30_000
_READERS: Final = 4
_SCRUB_SECONDS: Final = 5.0


class Database:
    """Two engines on one database: one connection that writes, a few that read consistent snapshots.

    Args:
        url: ``sqlite:////path/to/file`` or ``postgresql://user@host/name``.

    Raises:
        SettingsError: another kind of URL; or SQLite has no folder for temporary files.

    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            temporary_folder(os.environ)
        self.bulk: Bulk = SqliteBulk() if self.is_sqlite else PostgresBulk()
        make = _sqlite_engine if self.is_sqlite else _postgres_engine
        self.writer: Engine = make(self.url, writes=True)
        self.reader: Engine = make(self.url, writes=False)

    def scrub(self) -> bool:
        """Let no older version of a row lie in SQLite's log; False: somebody reads an older state, so it must stay.

        The database overwrites what is deleted (``secure_delete``), its log does not. PostgreSQL removes old versions
        by itself (VACUUM), and this does nothing.

        Raises:
            StoreUnavailableError: the log cannot be written back, as on a full disk.

        """
        if not self.is_sqlite:
            return True
        try:
            with closing(sqlite3.connect(str(self.url.database), timeout=_SCRUB_SECONDS)) as connection:
                busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"SQLite's log cannot be written back: {error}") from error
        return not busy

    def dispose(self) -> None:
        """Close all connections; the last one of SQLite writes its log back into the database."""
        self.reader.dispose()
        self.writer.dispose()


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise SettingsError("the database URL cannot be read; e.g. sqlite:////var/lib/marquee/ledger.db") from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database not in {None, "", ":memory:"}:
        return url.set(drivername="sqlite+pysqlite")
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise SettingsError(f"a {backend} database at {url.database!r} cannot be used: sqlite with a file, or postgresql")


def _sqlite_engine(url: URL, *, writes: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # an error's text must not have a subject's hash
        pool_size=1 if writes else _READERS,
        max_overflow=0,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _BUSY_MILLISECONDS / 1_000},
    )
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # a destroyed key must not lie in a free part of a page
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIBIBYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgres_engine(url: URL, *, writes: bool) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=1 if writes else _READERS,
        max_overflow=0,
        pool_pre_ping=not writes,  # the writer finds out by itself, and tries again
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
        connect_args={
            "connect_timeout": 5,
            "options": "-c synchronous_commit=on -c lock_timeout=30s",
            "application_name": "marquee-ledger",
        },
    )
