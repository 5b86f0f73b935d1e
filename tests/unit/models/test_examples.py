"""Which rows of a table are learned from, in which numbers, and which tables are refused."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marquee.contract.manifest import CategoryField, NumberField
from marquee.contract.retraining import Span
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.examples import Examples, Selection, microseconds, read_examples
from models.data.quality import Complaint, Left, Quality
from models.features import matrix
from tests.support.lead_tables import write_table

FIELDS = (
    NumberField(name="age", kind="integer", minimum=18, maximum=99),
    NumberField(name="spend", nullable=True),
    CategoryField(name="country", categories=("AT", "DE", "CH")),
)
DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def table(rows: int = 20, **changes: dict[int, Any]) -> dict[str, list[Any]]:
    """Good rows, one a day, with some values changed: ``age={3: None}``."""
    columns: dict[str, list[Any]] = {
        "timestamp": [DAY + dt.timedelta(days=day) for day in range(rows)],
        "entity": [f"e{row:03}" for row in range(rows)],
        "age": [20 + row for row in range(rows)],
        "spend": [row / 2 for row in range(rows)],
        "country": [("AT", "DE", "CH")[row % 3] for row in range(rows)],
        "label": [row % 2 == 0 for row in range(rows)],
    }
    for name, values in changes.items():
        column = columns.setdefault(name, [None] * rows)
        for row, value in values.items():
            column[row] = value
    return columns


def read(path: Path, selection: Selection | None = None) -> tuple[Examples, Quality]:
    return read_examples(str(path), FIELDS, selection or Selection(), setting="--data")


def refused(path: Path, selection: Selection | None = None) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        read(path, selection)
    return caught.value


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_rows_become_the_numbers_that_a_caller_of_the_model_would_send(tmp_path: Path, suffix: str) -> None:
    """The same as `models.features.matrix` makes of each row, from either format."""
    columns = table(spend={4: None})
    examples, quality = read(write_table(tmp_path / f"t{suffix}", columns))
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    np.testing.assert_array_equal(examples.rows, matrix(FIELDS, records))
    assert examples.label.tolist() == columns["label"]
    assert examples.time.tolist() == [microseconds(moment) for moment in columns["timestamp"]]
    assert (quality.read, quality.used, quality.left.total()) == (20, 20, 0)
    assert quality.columns == {"spend": {Complaint.MISSING: 1}}


def test_a_folder_is_the_table_of_its_files(tmp_path: Path) -> None:
    """However its rows are cut into files, and whatever else lies there."""
    columns = table()
    whole, _ = read(write_table(tmp_path / "whole.parquet", columns))
    for name, part in (("b/new.csv", slice(None, 8)), ("a.parquet", slice(8, None))):
        write_table(tmp_path / "parts" / name, {key: values[part] for key, values in columns.items()})
    (tmp_path / "parts" / "_SUCCESS.csv").write_text("")
    parts, _ = read(tmp_path / "parts")
    assert parts.sha256() == whole.sha256()
    assert read(write_table(tmp_path / "less.parquet", table(19)))[0].sha256() != whole.sha256()


def test_a_row_outside_of_what_is_asked_for_does_not_change_a_byte(tmp_path: Path) -> None:
    """Rows that arrive after the window's end while a run starts again, for one."""
    selection = Selection(DAY, DAY + dt.timedelta(days=15))
    before, _ = read(write_table(tmp_path / "a.csv", table(16)), selection)
    after, quality = read(write_table(tmp_path / "b.csv", table(20)), selection)
    assert before.sha256() == after.sha256()
    assert quality.left[Left.OUTSIDE] == 5


@pytest.mark.parametrize(
    ("columns", "selection", "left"),
    [
        (table(), Selection(start=DAY + dt.timedelta(days=3)), {Left.OUTSIDE: 3}),
        (table(), Selection(end=DAY + dt.timedelta(days=18)), {Left.OUTSIDE: 2}),
        (
            table(),
            Selection(excluded=(Span(start=DAY + dt.timedelta(days=3), end=DAY + dt.timedelta(days=5)),)),
            {Left.EXCLUDED: 2},
        ),
        (table(consent=dict.fromkeys(range(17), True) | {17: False}), Selection(), {Left.NO_CONSENT: 3}),
        (table(label={2: None, 3: None}), Selection(), {Left.UNLABELLED: 2}),
        (table(timestamp={2: None}), Selection(), {Left.UNTIMED: 1}),
        (table(age={2: None}), Selection(), {Left.INVALID: 1}),
        (table(age={2: 17}), Selection(), {Left.INVALID: 1}),
        (table(country={2: "FR", 3: None}), Selection(), {Left.INVALID: 2}),
        (table(spend={2: math.inf}), Selection(), {Left.INVALID: 1}),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) and len(value) == 1 else "",
)
def test_rows_are_left_out_and_counted(
    tmp_path: Path, columns: dict[str, list[Any]], selection: Selection, left: dict[Left, int]
) -> None:
    """By reason; the others are used."""
    examples, quality = read(write_table(tmp_path / "t.parquet", columns), selection)
    assert +quality.left == left
    assert quality.used == len(examples) == 20 - sum(left.values())
    assert quality.to_json()["rowsLeftOut"] == {reason: left.get(reason, 0) for reason in Left}


def test_an_equal_row_counts_once(tmp_path: Path) -> None:
    """A feed that delivers a day twice."""
    once = table()
    twice = {name: values + values[5:8] for name, values in once.items()}
    examples, quality = read(write_table(tmp_path / "t.parquet", twice))
    assert (len(examples), quality.left[Left.DUPLICATE]) == (20, 3)


def test_without_consent_a_row_is_not_even_looked_at(tmp_path: Path) -> None:
    """Its wrong values are nobody's business."""
    columns = table(consent=dict.fromkeys(range(1, 20), True), age={0: 500})
    _, quality = read(write_table(tmp_path / "t.parquet", columns))
    assert quality.columns == {}


@pytest.mark.parametrize("column", ["available_at", "spend_available_at"])
def test_a_row_that_knows_what_came_later_is_refused(tmp_path: Path, column: str) -> None:
    """With the file and the first such row."""
    known = {row: DAY + dt.timedelta(days=row - 1) for row in range(20)}
    known |= {7: DAY + dt.timedelta(days=8), 9: DAY + dt.timedelta(days=30)}
    error = refused(write_table(tmp_path / "t.csv", table() | {column: list(known.values())}))
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert f"t.csv: row 8: {column} is 2026-03-09T00:00:00+00:00, after its timestamp 2026-03-08" in str(error)
    assert "(2 rows like this)" in str(error)
    before = Selection(end=DAY + dt.timedelta(days=7))
    assert len(read(tmp_path / "t.csv", before)[0]) == 7


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda columns: columns.pop("age"), "column 'age' is missing"),
        (lambda columns: columns.pop("label"), "column 'label' is missing"),
        (lambda columns: columns.update(age=["old"] * 20), "column 'age' is string"),
        (lambda columns: columns.update(timestamp=list(range(20))), "column 'timestamp' is int64"),
        (lambda columns: columns.update(label=[0.5] * 20), "0.5 is neither 0 nor 1"),
        (lambda columns: columns.update(timestamp=["soon"] * 20), "column 'timestamp' is string"),
        (lambda columns: columns.update(age=[1] * 20), "is the feed broken?"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    """The error names file, column and what is wrong."""
    columns = table()
    change(columns)
    error = refused(write_table(tmp_path / "t.parquet", columns))
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert said in str(error)


def test_timestamps_without_a_zone_are_utc(tmp_path: Path) -> None:
    """Also as text, and finer than microseconds."""
    naive = table() | {"timestamp": [f"2026-03-{day:02} 00:00:00" for day in range(1, 21)]}
    expected, _ = read(write_table(tmp_path / "a.parquet", table()))
    for name in ("b.parquet", "b.csv"):
        assert read(write_table(tmp_path / name, naive))[0].sha256() == expected.sha256()


@pytest.mark.parametrize("name", ["nothing", "empty/there", "other.json"])
def test_a_place_without_a_table_is_refused(tmp_path: Path, name: str) -> None:
    """With the ends of names that are read."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.json").write_text("{}")
    error = refused(tmp_path / name)
    assert error.failure.reason is TrainingFailureReason.DATA_UNAVAILABLE
    assert ".parquet, .csv" in str(error)


@pytest.mark.parametrize(("name", "content"), [("t.parquet", b"no parquet"), ("t.csv", b""), ("t.csv", b"a,b\n1\n")])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """Not a traceback of the reader's."""
    (tmp_path / name).write_bytes(content)
    error = refused(tmp_path / name)
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert str(error).startswith(f"{name}: cannot be parsed")


def test_a_window_without_rows_is_insufficient(tmp_path: Path) -> None:
    """And the counts say why."""
    error = refused(write_table(tmp_path / "t.parquet", table()), Selection(end=DAY))
    assert error.failure.reason is TrainingFailureReason.DATA_INSUFFICIENT
    assert "20 outsideOfWindow" in str(error)


def test_files_must_agree_on_consent(tmp_path: Path) -> None:
    """A file without the column would count as consent that nobody gave."""
    write_table(tmp_path / "d" / "a.parquet", table(consent=dict.fromkeys(range(20), True)))
    write_table(tmp_path / "d" / "b.parquet", table())
    assert "column 'consent' is in this file or in a.parquet, not in both" in str(refused(tmp_path / "d"))


def test_the_report_is_bounded() -> None:
    """However many columns complain."""
    quality = Quality()
    for column in range(200):
        quality.complain(f"c{column:03}", Complaint.MISSING, column)
    told = quality.to_json()
    assert (len(told["columns"]), told["columnsNotListed"]) == (50, 149)
    assert "c199" in told["columns"]
