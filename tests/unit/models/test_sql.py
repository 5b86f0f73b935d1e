"""A database's table teaches the same as a file of its rows, and what cannot be read says what to do."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.examples import Examples, Selection, read_examples
from models.data.quality import Quality
from models.data.sql import is_database
from tests.support.lead_tables import write_table
from tests.support.postgres import Postgres
from tests.unit.models.test_examples import DAY, FIELDS, table

_TYPES = {
    "timestamp": sa.DateTime(timezone=True),
    "entity": sa.Text(),
    "age": sa.Integer(),
    "spend": sa.Numeric(10, 2),
    "country": sa.Text(),
    "label": sa.Boolean(),
}


@pytest.fixture(scope="module")
def warehouse() -> Iterator[str]:
    """A real PostgreSQL."""
    with Postgres() as server:
        yield server.url


def fill(url: str, columns: dict[str, list[Any]], *, schema: str | None = None, **types: Any) -> str:
    """A table of these columns; the URI that a person would write for it."""
    name = f"t{uuid.uuid4().hex[:8]}"
    kinds = _TYPES | types
    made = sa.Table(name, sa.MetaData(), *(sa.Column(key, kinds[key]) for key in columns), schema=schema)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        if schema is not None:
            connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        made.create(connection)
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if rows:
            connection.execute(made.insert(), rows)
    engine.dispose()
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    where = f"{schema}.{name}" if schema else name
    return f"{plain}{'&' if '?' in plain else '?'}table={where}"


def read(uri: str, selection: Selection | None = None) -> tuple[Examples, Quality]:
    return read_examples(uri, FIELDS, selection or Selection(), setting="MARQUEE_DATA_URI")


def refused(uri: str) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        read(uri)
    return caught.value


def test_a_table_teaches_what_a_file_of_its_rows_does(warehouse: str, tmp_path: Path) -> None:
    """The same numbers, whatever the database's types are and in whatever order its rows come."""
    columns = table(spend={4: None}, country={7: None})
    mixed = {name: values[::-1] for name, values in columns.items()}
    examples, quality = read(fill(warehouse, mixed, schema="churn"))
    of_file, quality_of_file = read(str(write_table(tmp_path / "t.parquet", columns)))
    assert examples.sha256() == of_file.sha256()
    assert quality.to_json() == quality_of_file.to_json()


def test_the_database_leaves_out_other_rows(warehouse: str) -> None:
    """Rows outside of the window are not even read, with times of a zone or without one, which are UTC."""
    window = Selection(DAY + dt.timedelta(days=5), DAY + dt.timedelta(days=9))
    zoned, quality = read(fill(warehouse, table()), window)
    naive_columns = table() | {"timestamp": [moment.replace(tzinfo=None) for moment in table()["timestamp"]]}
    naive, _ = read(fill(warehouse, naive_columns, timestamp=sa.DateTime()), window)
    assert (len(zoned), quality.read) == (4, 4)
    assert zoned.sha256() == naive.sha256()


def test_entities_may_be_anything_that_prints(warehouse: str) -> None:
    """Such as UUIDs, which Arrow has no type for."""
    columns = table() | {"entity": [uuid.UUID(int=row) for row in range(20)]}
    assert len(read(fill(warehouse, columns, entity=sa.Uuid()))[0]) == 20


def test_sqlite_and_what_is_not_asked_for(tmp_path: Path) -> None:
    """A file of SQLite is a database too; other columns stay there; consent counts."""
    consent = [row != 3 for row in range(20)]
    columns = table() | {"consent": consent, "name": ["someone"] * 20}
    uri = fill(f"sqlite:///{tmp_path}/t.db", columns, consent=sa.Boolean(), name=sa.Text())
    examples, quality = read(uri)
    assert (len(examples), quality.left.total()) == (19, 1)
    np.testing.assert_array_equal(np.sort(examples.rows[:, 0]), [20 + row for row in range(20) if row != 3])


def test_an_empty_table_has_nothing_to_learn_from(warehouse: str) -> None:
    """It is no error of its types."""
    empty: dict[str, list[Any]] = {name: [] for name in table()}
    assert refused(fill(warehouse, empty)).failure.reason is TrainingFailureReason.DATA_INSUFFICIENT


def test_a_missing_column_is_named(warehouse: str) -> None:
    """With what the table has."""
    columns = table()
    del columns["label"]
    error = refused(fill(warehouse, columns))
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert "column 'label' is missing" in str(error)


@pytest.mark.parametrize(
    ("uri", "reason", "words"),
    [
        ("postgresql://a:secret@db/x?table=t", TrainingFailureReason.ARGUMENTS_INVALID, "a password has no place"),
        ("postgresql://a@db/x", TrainingFailureReason.ARGUMENTS_INVALID, "name one table or view"),
        ("postgresql://a@db/x?table=t&table=u", TrainingFailureReason.ARGUMENTS_INVALID, "name one table or view"),
        ("postgresql://a@127.0.0.1:1/x?table=t", TrainingFailureReason.DATA_UNAVAILABLE, "OperationalError"),
        ("sqlite:///nowhere/t.db?table=t", TrainingFailureReason.DATA_UNAVAILABLE, "unable to open"),
    ],
)
def test_what_cannot_be_read_says_why(uri: str, reason: TrainingFailureReason, words: str) -> None:
    """Without the password that somebody has written into it."""
    error = refused(uri)
    assert error.failure.reason is reason
    assert words in str(error)
    assert "secret" not in str(error)


def test_a_table_that_is_not_there(warehouse: str) -> None:
    """Its name is in the message."""
    error = refused(fill(warehouse, table()) + "x")
    assert error.failure.reason is TrainingFailureReason.DATA_UNAVAILABLE
    assert "NoSuchTableError" in str(error)


@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("postgresql://h/d", True),
        ("postgres://h/d", True),
        ("mysql+pymysql://h/d", True),
        ("sqlite:////t.db", True),
        ("s3://bucket/path", False),
        ("pvc://claim/path", False),
        ("/data/t.csv", False),
    ],
)
def test_which_uris_are_databases(uri: str, answer: bool) -> None:
    """Schemes that SQLAlchemy knows."""
    assert is_database(uri) is answer
