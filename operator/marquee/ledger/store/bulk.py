"""Many numbers in one statement: the one thing that SQLite and PostgreSQL write differently.

A statement reads its numbers from ``given``, a table whose columns are named by the caller. The database works on
thousands of units without a step of Python in between, and the event loop runs meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson


class Bulk(Protocol):
    """How a database takes columns of 64-bit numbers."""

    def source(self, *columns: str) -> str:
        """A FROM item named ``given`` with these columns."""

    def parameters(self, **columns: Sequence[int]) -> dict[str, Any]:
        """Parameters of that FROM item; all columns have the same length and the order of ``source``."""


class SqliteBulk:
    """One JSON parameter, taken apart by ``json_each``."""

    def source(self, *columns: str) -> str:
        """A FROM item named ``given`` with these columns."""
        if len(columns) == 1:
            return f"(SELECT value AS {columns[0]} FROM json_each(:given)) AS given"  # noqa: S608 - names of ours
        items = ", ".join(f"json_extract(value, '$[{number}]') AS {column}" for number, column in enumerate(columns))
        return f"(SELECT {items} FROM json_each(:given)) AS given"  # noqa: S608 - names of ours

    def parameters(self, **columns: Sequence[int]) -> dict[str, Any]:
        """The columns as JSON."""
        (first, *others) = columns.values()
        rows = list(zip(first, *others, strict=True)) if others else first
        return {"given": orjson.dumps(rows).decode()}


class PostgresBulk:
    """One array for each column, put side by side by ``unnest``."""

    def source(self, *columns: str) -> str:
        """A FROM item named ``given`` with these columns."""
        arrays = ", ".join(f"CAST(:{column}_given AS bigint[])" for column in columns)
        return f"unnest({arrays}) AS given({', '.join(columns)})"

    def parameters(self, **columns: Sequence[int]) -> dict[str, Any]:
        """The columns as array literals, written by orjson instead of element by element."""
        return {f"{name}_given": _array(values) for name, values in columns.items()}


def _array(values: Sequence[int]) -> str:
    return "{" + orjson.dumps(list(values)).decode()[1:-1] + "}"
