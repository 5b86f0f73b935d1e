"""Reads a table of examples from a database: PostgreSQL, or another whose driver for SQLAlchemy is installed.

The URI is a database's, with the table or view in its query: ``postgresql://reader@warehouse/marketing?table=churn.examples``.
Passwords are not part of it, as a spec and an artifact tell it to everybody: a driver has ways of its own, libpq the
variables ``PGPASSWORD`` and ``PGPASSFILE``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from marquee.contract.training import TrainingError, TrainingFailureReason

TABLE: Final = "table"
ROWS: Final = 50_000
"""That are fetched at once."""
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_Within = tuple[dt.datetime | None, dt.datetime | None]


def is_database(uri: str) -> bool:
    """Whether a URI names a database: its scheme is one that SQLAlchemy has a dialect for."""
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return False
    try:
        sa.dialects.registry.load(_DRIVERS.get(scheme, scheme).replace("+", "."))
    except NoSuchModuleError:
        return False
    return True


def read_rows(
    uri: str, wanted: Sequence[str], is_optional: Callable[[str], bool], time: str, within: _Within, *, setting: str
) -> Iterator[tuple[str, Any]]:
    """The rows of a table, in parts of `ROWS`, each with a name for errors: the same rows give the same parts.

    Args:
        uri: of the database, with its table.
        wanted: columns that are read where they are there.
        is_optional: says of other columns whether they are read too.
        time: the column that `within` is about.
        within: start, and end which is excluded; the database leaves out other rows where its times can be compared.
        setting: where a person gave the URI, for the words of an error.

    Raises:
        TrainingError: ``ArgumentsInvalid`` for a URI without a table or with a password; ``DataUnavailable``.

    """
    url, schema, table = _parsed(uri, setting)
    shown = url.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect().execution_options(stream_results=True, max_row_buffer=ROWS) as connection:
            found = {column["name"]: column["type"] for column in sa.inspect(connection).get_columns(table, schema)}
            names = [name for name in found if name in wanted or is_optional(name)]
            statement = _statement(table, schema, names)
            if time in names:
                statement = _limited(statement, sa.column(time, found[time]), within, engine.dialect.name)
            with connection.execute(statement) as result:
                yield from _parts(result, f"{schema}.{table}" if schema else table, names)
    except (SQLAlchemyError, ImportError) as error:
        words = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise TrainingError(
            TrainingFailureReason.DATA_UNAVAILABLE,
            f"{setting} {shown}: table {table} cannot be read: {type(error).__name__}: {words[0] if words else ''}",
        ) from error


def _parsed(uri: str, setting: str) -> tuple[sa.URL, str | None, str]:
    scheme, _, rest = uri.partition("://")
    try:
        url = sa.make_url(f"{_DRIVERS.get(scheme, scheme)}://{rest}")
    except ArgumentError as error:
        raise _invalid(f"{setting}: the database's URI cannot be read: {error}") from None
    if url.password is not None:
        raise _invalid(
            f"{setting}: a password has no place in a URI, which everybody may read; give it by the environment, such "
            "as PGPASSWORD from a Secret"
        )
    named = url.query.get(TABLE)
    if not isinstance(named, str) or not named:
        raise _invalid(f"{setting} {uri}: name one table or view of the database, as ?{TABLE}=SCHEMA.NAME")
    schema, _, table = named.rpartition(".")
    return url.difference_update_query([TABLE]), schema or None, table


def _statement(table: str, schema: str | None, names: Sequence[str]) -> sa.Select[Any]:
    columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
    # a database has no order of its own, and of equal times the first row counts
    return sa.select(*columns).select_from(sa.table(table, schema=schema)).order_by(*columns)


def _limited(statement: sa.Select[Any], time: Any, within: _Within, dialect: str) -> sa.Select[Any]:
    if not isinstance(time.type, sa.DateTime) or dialect == "sqlite":  # whose times are text, in any way of writing
        return statement
    start, end = (moment if moment is None or time.type.timezone else _naive(moment) for moment in within)
    if start is not None:
        statement = statement.where(time >= start)
    return statement.where(time < end) if end is not None else statement


def _naive(moment: dt.datetime) -> dt.datetime:
    """Times without a zone are UTC."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def _parts(result: sa.CursorResult[Any], table: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    first = 1
    for rows in result.partitions(ROWS):
        columns = zip(names, zip(*rows, strict=True), strict=True)
        yield f"{table} from row {first}", pa.table({name: _column(values) for name, values in columns})
        first += len(rows)
    if first == 1:
        yield f"{table} without a row", pa.table({name: pa.array([], pa.null()) for name in names})


def _column(values: Sequence[Any]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # such as a UUID
        return pa.array([None if value is None else str(value) for value in values])


def _invalid(words: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, words)
