"""The input schema of a model, compiled once: JSON in, one row of numbers or a list of errors out.

Two ways lead through it. The quick way takes whole rows through a handful of C calls (`itemgetter`, a set of
types, one array, two comparisons) and says only yes or no. When it says no, the slow way walks field by field
and is the authority: it finds what is wrong, or nothing, and then its row counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bentos.front.columns import (
    CategoryColumn,
    Column,
    ErrorKind,
    NumberColumn,
    Rejection,
    compile_column,
    json_type,
)
from marquee.contract.manifest import InputField

Rows = NDArray[np.float64]
"""Shape (rows, fields)."""

MAX_ERRORS: Final = 20
_NUMBERS: Final = frozenset({int, float})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with a request, and where: an RFC 6901 pointer into its body."""

    pointer: str
    detail: str
    kind: ErrorKind


class InvalidInputError(Exception):
    """A request that does not fit the model's schema."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


class Errors:
    """Collects errors up to `MAX_ERRORS`; then ``full`` tells the caller to stop looking."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []

    def add(self, pointer: str, detail: str, kind: ErrorKind) -> None:
        """Note an error, while there is room."""
        if not self.full:
            self.found.append(FieldError(pointer, detail, kind))

    @property
    def full(self) -> bool:
        """Whether to stop looking."""
        return len(self.found) >= MAX_ERRORS

    def raise_any(self) -> None:
        """Raise `InvalidInputError` when something was found."""
        if self.found:
            raise InvalidInputError(self.found)


class Bounds:
    """The numeric limits of every column as arrays, to check many values in a few calls."""

    def __init__(self, columns: Sequence[NumberColumn]) -> None:
        self._low = np.array([column.low for column in columns])
        self._high = np.array([column.high for column in columns])
        self._nullable = np.array([column.nullable for column in columns])
        self._any_nullable = bool(self._nullable.any())
        self._integers = np.flatnonzero([column.integer for column in columns])

    def accept(self, rows: Rows) -> bool:
        """Whether every value is one that its column takes; NaN stands for null."""
        inside = (rows >= self._low) & (rows <= self._high)
        if np.count_nonzero(inside) != inside.size:  # a third of the time of inside.all()
            if not self._any_nullable:
                return False
            inside |= np.isnan(rows) & self._nullable
            if not inside.all():
                return False
        if self._integers.size:
            return _whole(rows[:, self._integers])
        return True

    def accept_column(self, position: int, values: NDArray[np.float64]) -> bool:
        """As `accept`, for many values of one column."""
        inside = (values >= self._low[position]) & (values <= self._high[position])
        if self._nullable[position]:
            inside |= np.isnan(values)
        return bool(inside.all()) and (position not in self._integers or _whole(values))


def _whole(values: NDArray[np.float64]) -> bool:
    return bool(((values == np.rint(values)) | np.isnan(values)).all())


class Schema:
    """The compiled inputs of one manifest."""

    def __init__(self, inputs: Sequence[InputField], *, largest: float) -> None:
        self.columns: tuple[NumberColumn | CategoryColumn, ...] = tuple(
            compile_column(field, largest) for field in inputs
        )
        self.index = {column.name: position for position, column in enumerate(self.columns)}
        self.number_columns = tuple(
            column.of_indexes() if isinstance(column, CategoryColumn) else column for column in self.columns
        )
        self.bounds = Bounds(self.number_columns)
        self.number_types: frozenset[type] = (
            _NUMBERS | {type(None)} if any(column.nullable for column in self.columns) else _NUMBERS
        )
        self._tables = [
            (position, column.indexes)
            for position, column in enumerate(self.columns)
            if isinstance(column, CategoryColumn)
        ]
        self._values = _values_of([column.name for column in self.columns])

    @property
    def width(self) -> int:
        """The number of fields."""
        return len(self.columns)

    def encode(self, inputs: object, pointer: str = "/inputs") -> Rows:
        """One row, shape (1, fields), from an object of named fields as orjson parses it.

        `walk` takes what only other parsers let through: NaN, and integers that no float holds.

        Raises:
            InvalidInputError: with up to `MAX_ERRORS` errors.

        """
        rows = self._quickly(inputs)
        return self.walk(inputs, pointer) if rows is None else rows

    def _quickly(self, inputs: object) -> Rows | None:
        if type(inputs) is not dict or len(inputs) != len(self.columns):
            return None
        try:
            values = self._values(inputs)
            if self._tables:
                values = list(values)
                for position, table in self._tables:
                    values[position] = table[values[position]]
        except (KeyError, TypeError):
            return None
        if not self.number_types.issuperset(map(type, values)):
            return None
        rows: Rows = np.array((values,), dtype=np.float64)
        return rows if self.bounds.accept(rows) else None

    def walk(self, inputs: object, pointer: str = "/inputs") -> Rows:
        """As `encode`, field by field."""
        if not isinstance(inputs, dict):
            detail = f"is {json_type(inputs)}; must be an object with the model's {self.width} fields"
            raise InvalidInputError([FieldError(pointer, detail, "type")])
        errors, row = Errors(), []
        for column in self.columns:
            if column.name not in inputs:
                errors.add(f"{pointer}/{column.name}", f"is missing; must be {column.wanted}", "missing")
                continue
            row.append(_encoded(column, inputs[column.name], f"{pointer}/{column.name}", errors))
            if errors.full:
                break
        refuse_unknown(inputs, self.index, pointer, errors)
        errors.raise_any()
        return np.array((row,), dtype=np.float64)

    def encode_column(self, position: int, values: list[Any], pointer: str) -> NDArray[np.float64]:
        """A column of many rows, shape (rows,).

        Raises:
            InvalidInputError: with pointers ``<pointer>/<row>``.

        """
        column, errors = self.columns[position], Errors()
        quick = self._column_quickly(column, position, values)
        if quick is not None:
            return quick
        encoded = []
        for row, value in enumerate(values):
            encoded.append(_encoded(column, value, f"{pointer}/{row}", errors))
            if errors.full:
                break
        errors.raise_any()
        return np.array(encoded, dtype=np.float64)

    def _column_quickly(
        self, column: NumberColumn | CategoryColumn, position: int, values: list[Any]
    ) -> NDArray[np.float64] | None:
        if isinstance(column, CategoryColumn):
            try:
                return np.array([column.indexes[value] for value in values], dtype=np.float64)
            except (KeyError, TypeError):
                return None
        types = _NUMBERS | {type(None)} if column.nullable else _NUMBERS
        if not types.issuperset(map(type, values)):
            return None
        encoded = np.array(values, dtype=np.float64)
        return encoded if self.bounds.accept_column(position, encoded) else None


def refuse_unknown(document: Mapping[str, object], known: Iterable[str], pointer: str, errors: Errors) -> None:
    """An error for each key that is not known."""
    known = known if isinstance(known, (Mapping, frozenset)) else frozenset(known)
    for name in document:
        if name not in known:
            errors.add(f"{pointer}/{escape(name)}", "is not known here; remove it", "unknown")
            if errors.full:
                return


def escape(name: str) -> str:
    """A key as a token of an RFC 6901 pointer, cut where it is absurdly long."""
    return name[:100].replace("~", "~0").replace("/", "~1")


def _encoded(column: Column, value: object, pointer: str, errors: Errors) -> float:
    encoded = column.encode(value)
    if isinstance(encoded, Rejection):
        errors.add(pointer, encoded.detail, encoded.kind)
        return 0.0
    return encoded


def _values_of(names: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """All values of an object in the order of ``names``; raises KeyError where one is missing."""
    if len(names) == 1:
        name = names[0]
        return lambda inputs: (inputs[name],)
    return itemgetter(*names)
