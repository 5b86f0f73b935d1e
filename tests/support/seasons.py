"""Two seasons of lead scoring's customers, between which both who asks and who buys changes.

======  ==================================  ==================================
season  classes 0, 3 and 6 of car and fire  who buys with 70 %, others with 10 %
======  ==================================  ==================================
spring  car a third each, fire a third each  the middle class of car insurance
autumn  car 10, 20, 70 %, fire 50, 30, 20 %  the middle class of fire insurance
======  ==================================  ==================================

The middle class is what a network of indicators finds and a logistic regression cannot: by construction a candidate of
its season beats its baseline by far, and one of another season does not. All else is noise of `lead_columns`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.data.examples import Numbers, Selection, read_examples
from models.lead_scoring.schema import FIELDS
from tests.support.lead_tables import lead_columns, write_table

CAR: Final = "PPERSAUT"
FIRE: Final = "PBRAND"
_CLASSES: Final = (0, 3, 6)
_MIDDLE: Final = 3
_OFTEN, _SELDOM = 0.7, 0.1
_THIRDS: Final = (1 / 3, 1 / 3, 1 / 3)


@dataclass(frozen=True)
class Season:
    """A distribution of customers, and what they buy by."""

    car: tuple[float, float, float]
    fire: tuple[float, float, float]
    by: str
    seed: int

    def columns(self, rows: int, *, start: dt.datetime, end: dt.datetime) -> dict[str, list[Any]]:
        """A table of so many customers, evenly over a time whose end is excluded."""
        random = np.random.default_rng(self.seed)
        columns = lead_columns(rows, seed=self.seed)
        columns["timestamp"] = [start + (end - start) * row / rows for row in range(rows)]
        columns[CAR] = random.choice(_CLASSES, rows, p=self.car).tolist()
        columns[FIRE] = random.choice(_CLASSES, rows, p=self.fire).tolist()
        chance = np.where(np.array(columns[self.by]) == _MIDDLE, _OFTEN, _SELDOM)
        columns["label"] = (random.random(rows) < chance).tolist()
        return columns


SPRING: Final = Season(car=_THIRDS, fire=_THIRDS, by=CAR, seed=1)
AUTUMN: Final = Season(car=(0.1, 0.2, 0.7), fire=(0.5, 0.3, 0.2), by=FIRE, seed=2)


def turned_around(columns: dict[str, list[Any]], *, but_newest: int) -> dict[str, list[Any]]:
    """The same table with its labels the wrong way round, but for those of its newest rows."""
    label = columns["label"]
    split = len(label) - but_newest
    return columns | {"label": [not bought for bought in label[:split]] + label[split:]}


def rows_of(columns: dict[str, list[Any]], folder: Path) -> Numbers:
    """The customers as the numbers that a model sees, read as the trainer reads them."""
    table = write_table(folder / "rows.parquet", columns)
    return read_examples(str(table), FIELDS, Selection(), setting="table")[0].rows
