"""One ledger on each store for all tests, and a model of its own for each test."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from marquee.ledger.store.database import Database
from tests.support.ledger import Ledger, Sender, settings_of
from tests.support.plainhttp import http_client
from tests.support.postgres import Postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where the machine has one: a busy disk must not make hundreds of small commits slow."""
    parent = Path("/dev/shm")  # noqa: S108 - it is a memory file system that is wanted, not a predictable name
    with tempfile.TemporaryDirectory(prefix="marquee-ledger-", dir=parent if parent.is_dir() else None) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def postgres(memory: Path) -> Iterator[Postgres]:
    """A PostgreSQL server for the session; who needs an empty one makes a database of its own."""
    (parent := memory / "postgres").mkdir(mode=0o777)
    parent.chmod(0o777)
    with Postgres(parent=parent) as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, memory: Path) -> Iterator[Ledger]:
    """A ledger that everybody may use; tests that ask for it run over both stores."""
    folder = memory / request.param / "ledger"
    folder.mkdir(parents=True)
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").url
    with Ledger(settings_of(folder, url)) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database that nobody else uses, on either store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(f"test_{next(_numbers)}")


@pytest.fixture
def database(ledger: Ledger) -> Database:
    """The running ledger's database."""
    return ledger.running.state.database


@pytest.fixture
def http(ledger: Ledger) -> Iterator[httpx.Client]:
    """A client of the ledger."""
    with http_client(ledger.url, timeout=30) as client:
        yield client


@pytest.fixture
def sender(http: httpx.Client) -> Sender:
    """Senders for a model that no other test uses."""
    return Sender(http, f"growth/model-{next(_numbers)}")
