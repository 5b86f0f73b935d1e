"""One row of named values as the numbers a model sees; training and serving share this reading of the schema.

The front compiles the same fields into something faster; a test holds the two together on every row of the
training data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import CategoryField, InputField, NumberField

Record = Mapping[str, object]


def matrix(fields: Sequence[InputField], records: Sequence[Record]) -> NDArray[np.float64]:
    """Shape (records, fields), in the order of the fields; null becomes NaN.

    Raises:
        ValueError: a value that its field does not take; the message names the field.

    """
    rows = np.empty((len(records), len(fields)))
    for column, field in enumerate(fields):
        rows[:, column] = [_encode(field, record[field.name]) for record in records]
    return rows


def _encode(field: InputField, value: object) -> float:
    return _category_index(field, value) if isinstance(field, CategoryField) else _number(field, value)


def _number(field: NumberField, value: object) -> float:
    if value is None and field.nullable:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{field.name}: {value!r} is no finite number")
    if field.kind == "integer" and value != int(value):
        raise ValueError(f"{field.name}: {value!r} is no whole number")
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    if not low <= value <= high:
        raise ValueError(f"{field.name}: {value!r} is outside of {low} to {high}")
    return float(value)


def _category_index(field: CategoryField, value: object) -> float:
    if value is None and field.nullable:
        return math.nan
    if value in field.categories:
        return float(field.categories.index(str(value)))
    if field.other is None or not isinstance(value, str):
        raise ValueError(f"{field.name}: {value!r} is not among the categories")
    return float(field.other)
