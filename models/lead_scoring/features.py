"""Caravan rows as the numbers that models are fitted on, and the indicator encoding of the network.

The encoding turns each attribute into indicators: "at least this level" for ordered attributes, "exactly this
code" for categories. A sum over the first kind is any step function of the attribute, which is what contribution
classes need (the buying rate is 2 % in class 5 of car insurance and 12 % in class 6). It is learned from training
rows alone, and the exported graph holds the same levels (`models.lead_scoring.export`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import CategoryField, InputField
from models.data.caravan import Caravan
from models.features import matrix
from models.lead_scoring.schema import CATEGORY_COLUMNS, FIELDS

Numbers = NDArray[np.float64]

FEWEST_ROWS: Final = 10
"""Fewer rows on either side of a level tell nothing about it."""


def records(data: Caravan) -> list[dict[str, object]]:
    """Each customer as the named values that a caller of the model would send."""
    return [
        {field.name: _as_sent(field, value) for field, value in zip(FIELDS, row, strict=True)}
        for row in data.values.tolist()
    ]


def model_rows(data: Caravan) -> Numbers:
    """Shape (customers, fields): what the exported graph gets for these customers.

    Raises:
        ValueError: the file's columns are not the fields, or a value is outside of its field.

    """
    if data.names != (names := tuple(field.name for field in FIELDS)):
        raise ValueError(f"columns are {data.names}, expected {names}")
    return matrix(FIELDS, records(data))


def _as_sent(field: InputField, value: int) -> object:
    return str(value) if isinstance(field, CategoryField) else value


@dataclass(frozen=True)
class Encoding:
    """Indicators over levels, standardised with the training rows' mean and deviation."""

    column: NDArray[np.int64]
    """Shape (indicators,): which column of the row an indicator looks at."""
    level: Numbers
    is_category: NDArray[np.bool_]
    mean: Numbers
    deviation: Numbers

    def indicators(self, rows: Numbers) -> Numbers:
        """Shape (rows, indicators), of 0 and 1."""
        seen = rows[:, self.column]
        return np.where(self.is_category, seen == self.level, seen >= self.level).astype(float)

    def standardised(self, rows: Numbers) -> Numbers:
        """Shape (rows, indicators); a rare indicator is large where it is 1."""
        return (self.indicators(rows) - self.mean) / self.deviation


def learn_encoding(rows: Numbers) -> Encoding:
    """The levels of training rows with `FEWEST_ROWS` or more rows on either side."""
    columns: list[int] = []
    levels: list[float] = []
    for column in range(rows.shape[1]):
        values = rows[:, column]
        is_category = column in CATEGORY_COLUMNS
        for level in np.unique(values)[0 if is_category else 1 :]:
            inside = int((values == level if is_category else values >= level).sum())
            if FEWEST_ROWS <= inside <= len(rows) - FEWEST_ROWS:
                columns.append(column)
                levels.append(float(level))
    column_of = np.array(columns)
    bare = Encoding(
        column=column_of,
        level=np.array(levels),
        is_category=np.isin(column_of, CATEGORY_COLUMNS),
        mean=np.zeros(len(levels)),
        deviation=np.ones(len(levels)),
    )
    indicators = bare.indicators(rows)
    return Encoding(bare.column, bare.level, bare.is_category, indicators.mean(axis=0), indicators.std(axis=0))
