"""Several ledgers on one PostgreSQL: their transactions meet, and the integers come out right."""

from __future__ import annotations

import random
import threading
import time
from decimal import Decimal

import orjson

from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import ExposureBatch, ExposureGroup
from marquee.contract.ledger import RolloutDeclaration
from marquee.ledger.book import statistics
from marquee.ledger.book.entries import Declare, Entry, Expose, Outcome, Report, RolloutKey
from marquee.ledger.book.posting import post
from marquee.ledger.book.verifying import verify
from marquee.ledger.store.database import Database
from marquee.ledger.store.migrating import migrate
from tests.support.postgres import Postgres

KEYS = [RolloutKey("crm/lead", f"r{number}") for number in range(3)]
DECLARATION = RolloutDeclaration.model_validate({"metrics": [{"outcome": "buy"}]})
UNITS = 60


def entries(seed: int) -> list[Entry]:
    """Every unit seen once and bought once in every rollout, in an order of this seed; places differ by seed."""
    made: list[Entry] = []
    for number, key in enumerate(KEYS):
        for unit in range(UNITS):
            cohort = Cohort(key.name, (unit + seed) % 3, Arm.CANARY)
            batch_id = bytes([number, unit, seed]).rjust(16, b"-")
            batch = ExposureBatch(batch_id, key.model, (ExposureGroup(cohort, unit.to_bytes(8, "big")),))
            made.append(Expose(batch, digest=unit))
            made.append(Report([Outcome(key, unit, unit, "buy", Decimal(1))]))
    random.Random(seed).shuffle(made)
    return made


def test_two_writers_never_miss_what_the_other_wrote(postgres: Postgres) -> None:
    """An exposure by one replica and its outcome by another meet, whichever waits for the other."""
    url = postgres.create_database("replicas")
    errors: list[Exception] = []
    first = Database(url)
    migrate(first)
    with first.writer.begin() as connection:
        post(connection, first.bulk, [Declare(key, DECLARATION) for key in KEYS])

    def work(seed: int) -> None:
        database = Database(url)
        todo = entries(seed)
        try:
            for start in range(0, len(todo), 4):
                with database.writer.begin() as connection:
                    post(connection, database.bulk, todo[start : start + 4])
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            errors.append(error)
        database.dispose()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with first.reader.begin() as connection:
        documents = [orjson.loads(found.document) for found in statistics.read(connection, KEYS)]
        assert verify(connection) == []
    first.dispose()
    for document in documents:
        totals = [(cohort["exposures"], cohort["outcomes"]["buy"]["successes"]) for cohort in document["cohorts"]]
        assert [sum(column) for column in zip(*totals, strict=True)] == [UNITS, UNITS]


def test_writer_sees_what_was_written_while_it_waited(postgres: Postgres) -> None:
    """An outcome is kept as pending while its exposure waits for the rollout's lock: the exposure still finds it."""
    url = postgres.create_database("waiting")
    first, second = Database(url), Database(url)
    migrate(first)
    key = KEYS[0]
    with first.writer.begin() as connection:
        post(connection, first.bulk, [Declare(key, DECLARATION)])
    batch = ExposureBatch(b"b" * 16, key.model, (ExposureGroup(Cohort(key.name, 0, Arm.CANARY), bytes(8)),))

    def expose() -> None:
        with second.writer.begin() as connection:
            post(connection, second.bulk, [Expose(batch, digest=0)])

    waiter = threading.Thread(target=expose)
    with first.writer.begin() as connection:
        post(connection, first.bulk, [Report([Outcome(key, 0, 1, "buy", Decimal(1))])])
        waiter.start()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not waiting_for_locks(first):
            time.sleep(0.02)
        assert waiting_for_locks(first) == 1
    waiter.join()
    with first.reader.begin() as connection:
        (found,) = statistics.read(connection, [key])
        assert verify(connection) == []
    assert orjson.loads(found.document)["cohorts"][0]["outcomes"]["buy"]["successes"] == 1
    for database in (first, second):
        database.dispose()


def waiting_for_locks(database: Database) -> int:
    """Connections of the database that wait for another one's lock."""
    with database.reader.begin() as connection:
        return int(
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).scalar_one()
        )


def test_replicas_that_start_at_once_migrate_once(postgres: Postgres) -> None:
    """Of several on an empty database one makes the tables, and the others wait for it."""
    url = postgres.create_database("starting")
    errors: list[Exception] = []

    def start() -> None:
        database = Database(url)
        try:
            migrate(database)
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            errors.append(error)
        database.dispose()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
