"""The ledger killed, its database damaged, its disk full: nothing acknowledged is lost, and nothing counts twice."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from marquee.contract.exposures import ExposureBatch
from marquee.ledger.__main__ import EXIT_CODE_SETTINGS, main
from marquee.ledger.book.verifying import verify
from marquee.ledger.errors import StoreUnavailableError
from marquee.ledger.settings import PREFIX
from marquee.ledger.store.database import Database
from marquee.ledger.store.reading import reading
from tests.support.ledger import Ledger, LedgerProcess, Sender, ledger_process, master_keys, settings_of
from tests.support.operator import free_port
from tests.support.plainhttp import http_client
from tests.support.postgres import Postgres

MODEL = "growth/lead"
SENDERS = 4


def environment_of(folder: Path, url: str) -> dict[str, str]:
    return {"database_url": url, "master_keys_path": str(master_keys(folder)), "unauthenticated": "true"}


def send_until_killed(ledger: LedgerProcess, batches: Sequence[ExposureBatch], *, kill_after: int) -> set[int]:
    """Numbers of the batches that were acknowledged; several senders at once, the process dies under them."""
    acknowledged: set[int] = set()
    waiting = iter(enumerate(batches))
    lock = threading.Lock()

    def work() -> None:
        with http_client(ledger.url, timeout=30) as http:
            sender = Sender(http, MODEL)
            while True:
                with lock:
                    number, batch = next(waiting, (-1, batches[0]))
                if number < 0:
                    return
                try:
                    answer = sender.expose(batch)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                acknowledged.add(number)
                if len(acknowledged) == kill_after:
                    ledger.process.kill()

    threads = [threading.Thread(target=work) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.process.wait(timeout=30)
    return acknowledged


def test_kill_in_the_middle_of_load_loses_nothing(empty_url: str, tmp_path: Path) -> None:
    """After SIGKILL every acknowledged batch is there; after sending all of them again each unit counts once."""
    settings = environment_of(tmp_path, empty_url)
    with http_client() as http:
        writer = Sender(http, MODEL)
    batches = [writer.batch([f"{number}-{unit}" for unit in range(5)]) for number in range(400)]
    with ledger_process(tmp_path, settings, port=free_port()) as ledger:
        acknowledged = send_until_killed(ledger, batches, kill_after=40)
    assert 40 <= len(acknowledged) < len(batches)
    with (
        ledger_process(tmp_path, settings, port=free_port()) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        counted = sender.cohorts()[0, "canary"]["exposures"]
        assert 5 * len(acknowledged) <= counted <= 5 * (len(acknowledged) + SENDERS)
        known = [sender.expose(batches[number]).json()["duplicate"] for number in sorted(acknowledged)]
        assert all(known)
        for number in set(range(100)) - acknowledged:
            assert sender.expose(batches[number]).status_code == 200
        sent = acknowledged | set(range(100))
        assert sender.cohorts()[0, "canary"]["exposures"] == 5 * len(sent)
    database = Database(empty_url)
    assert asyncio.run(reading(database, verify)) == []
    database.dispose()


@pytest.mark.parametrize("tail", [b"\x00" * 4_096, b"\xff" * 5_000, b"torn"], ids=["zeros", "ones", "few bytes"])
def test_torn_last_write_is_left_out(tail: bytes, tmp_path: Path) -> None:
    """A write-ahead log whose last frame was torn is read up to its last commit, and written on from there."""
    path = tmp_path / "ledger.db"
    settings = environment_of(tmp_path, f"sqlite:///{path}")
    with (
        ledger_process(tmp_path, settings, port=free_port()) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        batches = [sender.batch([f"unit-{number}"]) for number in range(5)]
        for batch in batches:
            assert sender.expose(batch).status_code == 200
        ledger.kill()
    with path.with_name("ledger.db-wal").open("ab") as log:
        log.write(tail)
    with (
        Ledger(settings_of(tmp_path)) as ledger_again,
        http_client(ledger_again.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        assert [sender.expose(batch).json()["duplicate"] for batch in batches] == [True] * 5
        assert sender.expose(sender.batch(["one-more"])).status_code == 200
        assert sender.cohorts()[0, "canary"]["exposures"] == 6


def test_cut_off_commit_is_taken_again_once(tmp_path: Path) -> None:
    """A disk that lost the last commit after all: the sender's repetition enters it again, once."""
    path = tmp_path / "ledger.db"
    settings = environment_of(tmp_path, f"sqlite:///{path}")
    wal = path.with_name("ledger.db-wal")
    with (
        ledger_process(tmp_path, settings, port=free_port()) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        first, last = sender.batch(["ann"]), sender.batch(["bob"])
        sender.expose(first)
        sender.expose(last)
        ledger.kill()
    with wal.open("rb+") as log:
        log.truncate(wal.stat().st_size - 100)
    with (
        Ledger(settings_of(tmp_path)) as ledger_again,
        http_client(ledger_again.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        assert [sender.expose(batch).json()["duplicate"] for batch in (first, last, last)] == [True, False, True]
        assert sender.cohorts()[0, "canary"]["exposures"] == 2


def serve_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    for name, value in environment_of(folder, f"sqlite:///{folder / 'ledger.db'}").items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    monkeypatch.setenv(PREFIX + "HTTP_HOST", "127.0.0.1")
    return main(["serve"])


def test_damaged_database_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no database stops the start with its name, and is left as it is for whoever repairs it."""
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 400)
    assert serve_in(tmp_path, monkeypatch) == EXIT_CODE_SETTINGS
    said = capsys.readouterr().err
    assert "ledger.db cannot be used" in said
    assert "file is not a database" in said
    assert (tmp_path / "ledger.db").read_bytes() == b"not a database" * 400


def test_database_of_a_newer_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A downgrade must not write into a schema that it does not know."""
    with Ledger(settings_of(tmp_path)):
        pass
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert serve_in(tmp_path, monkeypatch) == EXIT_CODE_SETTINGS
    assert "the database has schema 9999, which this version does not know" in capsys.readouterr().err


def test_database_out_of_reach_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    """A server that is not there stops the start; the message names it, and not the password."""
    settings = settings_of(tmp_path, "postgresql://marquee:secret@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailableError) as caught, Ledger(settings):
        pass
    assert "postgresql+psycopg://marquee:***@127.0.0.1:1/none cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_full_disk_is_answered_and_nothing_is_half_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the database cannot grow, senders get 503 and keep their batches; with room again, work goes on."""
    caplog.set_level(logging.CRITICAL)
    with (
        Ledger(settings_of(tmp_path)) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        assert sender.expose(sender.batch(["ann"])).status_code == 200
        pages = limit_pages(ledger, 1)
        batch = sender.batch([f"unit-{number}" for number in range(20_000)])
        answer = sender.expose(batch)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["type"] == "urn:marquee:problem:store-unavailable"
        assert sender.cohorts()[0, "canary"]["exposures"] == 1
        limit_pages(ledger, pages + 100_000)
        assert sender.expose(batch).json()["duplicate"] is False
        assert sender.cohorts()[0, "canary"]["exposures"] == 20_001


def limit_pages(ledger: Ledger, pages: int) -> int:
    """Bound the database as a full disk would; the pages that it has now."""
    with ledger.running.state.database.writer.begin() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def test_restart_of_postgresql_costs_a_retry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the server is away senders get 503; when it is back after a crash all that was acknowledged is there."""
    caplog.set_level(logging.CRITICAL)
    tmp_path.chmod(0o755)
    with (
        Postgres() as server,
        Ledger(settings_of(tmp_path, server.url)) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sender(http, MODEL)
        assert sender.expose(sender.batch(["ann"])).status_code == 200
        server.crash()
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 503
        started = time.monotonic()
        batch = sender.batch(["bob"])
        assert sender.expose(batch).status_code == 503
        assert time.monotonic() - started < 30
        server.start()
        assert sender.expose(batch).status_code == 200
        assert http.get("/readyz").status_code == 200
        assert sender.cohorts()[0, "canary"]["exposures"] == 2
