"""The process around the book: settings, commands, pages, the group commit and the sweep."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select

from marquee.ledger.__main__ import EXIT_CODE_SETTINGS, main
from marquee.ledger.access.keys import PREFIX as KEY_PREFIX
from marquee.ledger.book.entries import Close, Entry, RolloutKey, Sweep
from marquee.ledger.book.posting import post
from marquee.ledger.book.sweeping import BATCH_MEMORY_SECONDS
from marquee.ledger.book.verifying import verify
from marquee.ledger.committing import MAX_WAITING_RECORDS, Committer
from marquee.ledger.errors import BusyError, RolloutUnknownError, SettingsError, UnwritableError
from marquee.ledger.settings import PREFIX, Settings, settings_from
from marquee.ledger.store.database import Database
from marquee.ledger.store.migrating import alembic_config, migrate
from marquee.ledger.store.schema import exposures, metadata, pending, rollouts
from marquee.ledger.store.temporary import temporary_folder
from tests.support.ledger import Ledger, Sender, settings_of
from tests.support.plainhttp import http_client

BUY = {"outcome": "buy"}


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"DATABASE_URL": "mysql://host/name"}, "a mysql database"),
        ({"DATABASE_URL": "sqlite://"}, "a sqlite database at None"),
        ({"DATABASE_URL": "ledger.db"}, "the database URL cannot be read"),
        ({"HTTP_PORT": "70000"}, "MARQUEE_LEDGER_HTTP_PORT: Input should be less than or equal to 65535"),
        ({"OPERATORS": "marquee-operator"}, "MARQUEE_LEDGER_OPERATORS: String should match"),
        ({"OUTCOMES_PER_SECOND": "0"}, "MARQUEE_LEDGER_OUTCOMES_PER_SECOND: Input should be greater than 0"),
        ({"LOG_LEVEL": "info"}, "MARQUEE_LEDGER_LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ({"UNAUTHENTICATED": "true"}, "unauthenticated is for loopback addresses only, not for 0.0.0.0"),
        ({"SERVICE_ACCOUNTS": "false"}, "nobody could send anything"),
    ],
)
def test_impossible_setting_is_named(environment: Mapping[str, str], why: str) -> None:
    """A value that cannot be used is told with the name of its variable."""
    with pytest.raises(SettingsError, match=why.replace("(", r"\(")):
        Database(settings_from({PREFIX + name: value for name, value in environment.items()}).database_url)


def test_sqlite_needs_a_folder_for_temporary_files(tmp_path: Path) -> None:
    """It takes the first that can be written to; that there is none is said at the start."""
    assert temporary_folder({"SQLITE_TMPDIR": "", "TMPDIR": "/nowhere"}, [str(tmp_path), "/"]) == tmp_path
    assert temporary_folder({"SQLITE_TMPDIR": str(tmp_path)}, ["/"]) == tmp_path
    with pytest.raises(SettingsError, match="set SQLITE_TMPDIR"):
        temporary_folder({"SQLITE_TMPDIR": "/nowhere"}, ["/proc/self/nowhere"])


def test_settings_are_read_from_the_environment() -> None:
    """Empty variables count as absent, and those that Kubernetes makes for a Service of that name are left alone."""
    given = {"OPERATORS": "a:b, c:d", "LOG_LEVEL": "", "PORT": "tcp://10.0.0.1:8090", "HTTP_PORT": "1", "OTHER": "x"}
    settings = settings_from({PREFIX + name: value for name, value in given.items()})
    assert settings == Settings(operators=("a:b", "c:d"), http_port=1)


def test_wrong_setting_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """EX_CONFIG and a sentence: people look at the last line of a pod that does not start."""
    monkeypatch.setenv(PREFIX + "DATABASE_URL", "mysql://host/name")
    monkeypatch.setenv(PREFIX + "MASTER_KEYS_PATH", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "")
    assert main(["serve"]) == main(["verify"]) == EXIT_CODE_SETTINGS
    first, second = capsys.readouterr().err.splitlines()
    assert "service-account tokens can be reviewed only in a cluster" in first
    assert (
        second == "the ledger cannot run: a mysql database at 'name' cannot be used: sqlite with a file, or postgresql"
    )


def test_new_key_prints_key_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    """The key goes to the sender, its hash into the file."""
    assert main(["new-key"]) == 0
    key, digest = (line.split()[-1] for line in capsys.readouterr().out.splitlines())
    assert key.startswith(KEY_PREFIX)
    assert len(digest) == 64


def test_verify_finds_what_was_changed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The integers are recomputed from the rows; each difference is a sentence, and the exit code says so."""
    settings = settings_of(tmp_path)
    monkeypatch.setenv(PREFIX + "DATABASE_URL", settings.database_url)
    with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
        sender = Sender(http, "growth/lead")
        sender.declare(BUY, {"outcome": "spend", "kind": "Mean"})
        sender.expose(sender.batch(["ann", "bob"]))
        sender.report(
            {"predictionId": sender.predict("ann"), **BUY},
            {"predictionId": sender.predict("ann"), "outcome": "spend", "value": 3},
            {"predictionId": sender.predict("cid"), **BUY},
        )
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "the integers agree with the rows\n"
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript(
        "UPDATE cohorts SET exposures = 3, errors = 9; UPDATE credits SET total = total + 1;"
        "UPDATE outcomes SET value = 7; DELETE FROM pending"
    )
    connection.close()
    assert main(["verify"]) == 1
    said = capsys.readouterr().out
    for sentence in (
        "rollout 1, place 1: 3 exposures are written, 2 are in the rows",
        "metric 1, place 1: successes, sum, squares are (1, 2, 1), the rows give (1, 1, 1)",
        "outcome spend: 1 units have another sum than their outcomes",
        "1 units have outcomes, no exposure, and nothing that waits for it",
        "rollout 1, place 1: more errors or slow requests than requests",
        "6 contradictions",
    ):
        assert sentence in said


def test_schema_is_what_the_migrations_make(empty_url: str) -> None:
    """The tables in the code are those that Alembic makes, on either store; and going back leaves none."""
    database = Database(empty_url)
    migrate(database)
    with database.writer.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        downgrade(alembic_config(connection), "base")
        assert MigrationContext.configure(connection).get_current_heads() == ()
    migrate(database)
    migrate(database)
    database.dispose()


def test_pages_say_how_it_is(tmp_path: Path) -> None:
    """Alive, ready, and not ready any more once the process is about to leave; then connections are closed."""
    with (
        Ledger(settings_of(tmp_path)) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, "growth/lead")
        sender.expose(sender.batch(["ann", "bob"]))
        assert [http.get(path).text for path in ("/healthz", "/readyz")] == ["ok\n", "ok\n"]
        page = http.get("/metrics").text
        assert "marquee_ledger_exposures_total 2.0" in page
        assert 'marquee_ledger_batches_total{kind="exposures",result="new"} 1.0' in page
        assert "growth" not in page
        ledger.running.state.draining = True
        leaving = http.get("/readyz")
        assert (leaving.status_code, leaving.text) == (503, "draining\n")
        assert leaving.headers["connection"] == "close"
        assert sender.expose(sender.batch(["cid"])).status_code == 200


def test_one_bad_entry_costs_the_others_nothing(sender: Sender, database: Database) -> None:
    """Many at once, of which one contradicts the book: it alone is refused."""
    taken = sender.batch(["ann"])
    sender.expose(taken)
    batches = [sender.batch([f"unit-{number}"]) for number in range(12)]
    batches[5] = sender.batch(["other"], batch_id=taken.batch_id)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda batch: sender.expose(batch).status_code, batches))
    assert [status for number, status in enumerate(statuses) if number != 5] == [200] * 11
    assert statuses[5] == 409
    assert sender.cohorts()[0, "canary"]["exposures"] == 12
    with database.reader.begin() as connection:
        assert verify(connection) == []


async def test_group_is_halved_until_the_bad_entry_is_alone(tmp_path: Path) -> None:
    """What the group commit does with an entry that contradicts the book, and with one that nobody foresaw."""
    logging.getLogger("marquee.ledger.committing").setLevel(logging.CRITICAL)
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrate(database)
    committer = Committer(database)
    entries: list[Entry] = [Sweep(), Close(RolloutKey("a/b", "never")), Sweep(), Sweep(limit="many")]  # type: ignore[arg-type]
    waiting = [asyncio.ensure_future(committer.submit(entry)) for entry in entries]
    await asyncio.sleep(0)
    committer.start()
    first, second, third, fourth = await asyncio.gather(*waiting, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert not isinstance(third, BaseException)
    assert isinstance(second, RolloutUnknownError)
    assert isinstance(fourth, UnwritableError)
    assert committer.alive
    await committer.stop()
    with pytest.raises(BusyError):
        await committer.submit(Sweep())
    database.dispose()


async def test_more_than_may_wait_is_turned_away(tmp_path: Path) -> None:
    """Memory is bounded: what does not fit is not taken, and its sender keeps it."""
    database = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrate(database)
    committer = Committer(database)
    waiting = asyncio.ensure_future(committer.submit(Sweep(), MAX_WAITING_RECORDS + 1))
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="1000001 records wait to be written"):
        await committer.submit(Sweep())
    committer.start()
    await waiting
    await committer.submit(Sweep())
    await committer.stop()
    database.dispose()


def test_sweep_takes_the_rows_of_closed_rollouts_and_old_batches(sender: Sender, database: Database) -> None:
    """In slices: what is open stays, the integers of what was closed stay, and batch ids are kept for a week."""
    for rollout in ("r", "open"):
        sender.declare(BUY, {"outcome": "spend", "kind": "Mean"}, rollout=rollout)
        sender.expose(sender.batch(["ann", "bob", "cid"], rollout=rollout))
        for outcome in ("buy", "spend"):
            sender.report(*({"predictionId": sender.predict(unit, rollout), "outcome": outcome} for unit in "ann"))
    kept = sender.batch(["dan"])
    sender.expose(kept)
    before = sender.cohorts()
    sender.close()
    later = 4_000_000_000
    for now in (None, later + BATCH_MEMORY_SECONDS):
        slices = 0
        more = True
        while more:
            with database.writer.begin() as connection:
                (reply,) = post(connection, database.bulk, [Sweep(limit=2)], now=now)
            more, slices = reply.more, slices + 1
        assert slices > 1
    assert sender.cohorts() == before
    with database.reader.begin() as connection:
        assert verify(connection) == []
        number = select(rollouts.c.id).where(rollouts.c.model == sender.model, rollouts.c.name == "r").scalar_subquery()
        rows = {
            table.name: connection.execute(select(func.count()).where(table.c.rollout_id == number)).scalar_one()
            for table in (exposures, pending)
        }
        batches = connection.exec_driver_sql("SELECT count(*) FROM batches").scalar_one()
    assert (rows, batches) == ({"exposures": 0, "pending": 0}, 0)
    assert sender.cohorts("open")[0, "canary"]["exposures"] == 3
