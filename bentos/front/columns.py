"""One input field of a model as a column: what a value must be, and the number that the model sees for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from marquee.contract.manifest import CategoryField, InputField, NumberField

ErrorKind = Literal["missing", "unknown", "type", "number", "range", "category", "shape"]
ERROR_KINDS: Final[tuple[ErrorKind, ...]] = (
    "missing", "unknown", "type", "number", "range", "category", "shape"
)  # fmt: skip

LARGEST_EXACT_INTEGER: Final = 2.0**53
_NAMED_CATEGORIES: Final = 8


class Rejection(NamedTuple):
    """Why one value is refused; never holds the value itself."""

    kind: ErrorKind
    detail: str


class Column(Protocol):
    """A compiled input field."""

    @property
    def name(self) -> str:
        """The field's name."""

    @property
    def nullable(self) -> bool:
        """Whether null is taken."""

    @property
    def wanted(self) -> str:
        """What the field wants, for messages: 'a number from 0 to 120'."""

    def encode(self, value: object) -> float | Rejection:
        """The number that the model sees for a JSON value."""


@dataclass(frozen=True)
class NumberColumn:
    """A number within inclusive bounds; null becomes NaN where the field is nullable."""

    name: str
    low: float
    high: float
    integer: bool
    nullable: bool
    bounds: str = ""
    """The schema's own bounds in words, for messages; not those of the model's number type."""

    @property
    def wanted(self) -> str:
        """What the field wants, for messages."""
        noun = "a whole number" if self.integer else "a number"
        return noun + self.bounds + (" or null" if self.nullable else "")

    def encode(self, value: object) -> float | Rejection:
        """The value itself as a float."""
        if value is None and self.nullable:
            return math.nan
        if type(value) is not float and type(value) is not int:
            return Rejection("type", f"is {json_type(value)}; must be {self.wanted}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            return Rejection("number", f"is NaN, infinite or too large; must be {self.wanted}")
        if self.integer and not number.is_integer():
            return Rejection("type", f"is no whole number; must be {self.wanted}")
        if number < self.low:
            return Rejection("range", f"is too small; must be at least {plain(self.low)}")
        if number > self.high:
            return Rejection("range", f"is too large; must be at most {plain(self.high)}")
        return number


class CategoryColumn:
    """A text of a closed list; the model sees its index."""

    def __init__(self, field: CategoryField) -> None:
        self.name = field.name
        self.nullable = field.nullable
        self.size = len(field.categories)
        self.indexes = IndexTable(None if field.other is None else float(field.other))
        self.indexes.update({category: float(index) for index, category in enumerate(field.categories)})
        if field.nullable:
            self.indexes[None] = math.nan
        self.wanted = _any_of(field)

    def encode(self, value: object) -> float | Rejection:
        """The index of the category."""
        if type(value) is not str and not (value is None and self.nullable):
            return Rejection("type", f"is {json_type(value)}; must be {self.wanted}")
        try:
            return self.indexes[value]
        except KeyError:
            return Rejection("category", f"is not in the list; must be {self.wanted}")

    def of_indexes(self) -> NumberColumn:
        """The same column for callers who send the index instead of the text."""
        high = float(self.size - 1)
        bounds = f" from 0 to {self.size - 1}, the index of a category"
        return NumberColumn(self.name, 0.0, high, integer=True, nullable=self.nullable, bounds=bounds)


class IndexTable(dict[object, float]):
    """Category to index; an unlisted text gets ``other`` where the field has it."""

    def __init__(self, other: float | None) -> None:
        super().__init__()
        self.other = other
        self.unlisted = 0
        """How many of them were looked up; whoever counts them sets it back."""

    def __missing__(self, key: object) -> float:
        if self.other is None or type(key) is not str:
            raise KeyError(key)
        self.unlisted += 1
        return self.other


def compile_column(field: InputField, largest: float) -> NumberColumn | CategoryColumn:
    """The column of a field, for a model whose number type ends at ``largest``."""
    if isinstance(field, CategoryField):
        return CategoryColumn(field)
    integer = field.kind == "integer"
    limit = min(largest, LARGEST_EXACT_INTEGER) if integer else largest
    return NumberColumn(
        name=field.name,
        low=-limit if field.minimum is None else max(field.minimum, -limit),
        high=limit if field.maximum is None else min(field.maximum, limit),
        integer=integer,
        nullable=field.nullable,
        bounds=_in_words(field),
    )


def _in_words(field: NumberField) -> str:
    if field.minimum is not None and field.maximum is not None:
        return f" from {plain(field.minimum)} to {plain(field.maximum)}"
    if field.minimum is not None:
        return f" of at least {plain(field.minimum)}"
    return "" if field.maximum is None else f" of at most {plain(field.maximum)}"


def _any_of(field: CategoryField) -> str:
    named = ", ".join(f"'{category}'" for category in field.categories[:_NAMED_CATEGORIES])
    left_out = len(field.categories) - _NAMED_CATEGORIES
    more = f" and {left_out} more (see /openapi.json)" if left_out > 0 else ""
    text = "a text" if field.other is not None else f"one of {named}{more}"
    return text + (" or null" if field.nullable else "")


def json_type(value: object) -> str:
    """The JSON type of a parsed value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")


def plain(number: float) -> str:
    """A bound as people write it: 120, not 120.0."""
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
