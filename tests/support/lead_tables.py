"""Small tables of lead scoring: random customers whose car insurance says whether they buy."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from marquee.contract.manifest import CategoryField
from models.lead_scoring.schema import FIELDS

FIRST: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ROWS: Final = 1_200


def lead_columns(rows: int = ROWS, *, seed: int = 0, first: dt.datetime = FIRST) -> dict[str, list[Any]]:
    """One row an hour; a high class of car insurance makes buying likely."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        "timestamp": [first + dt.timedelta(hours=hour) for hour in range(rows)],
        "entity": [f"customer-{number}" for number in random.permutation(rows)],
    }
    for field in FIELDS:
        if isinstance(field, CategoryField):
            columns[field.name] = [field.categories[index] for index in random.integers(0, 4, rows)]
        else:
            columns[field.name] = random.integers(int(field.minimum or 0), int(field.minimum or 0) + 2, rows).tolist()
    columns["PPERSAUT"] = random.choice([0, 6], rows).tolist()
    chance = np.where(np.array(columns["PPERSAUT"]) == 6, 0.6, 0.1)
    columns["label"] = (random.random(rows) < chance).tolist()
    return columns


def write_table(path: Path, columns: dict[str, list[Any]]) -> Path:
    """As Parquet or CSV, by the end of the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return path
