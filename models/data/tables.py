"""Reads tables of examples: Parquet or CSV, a file or a folder of files, wherever fsspec reads; or a database's.

A table has one row for each time that an entity could have been scored: what was known of it then, and what came of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, Final

import fsspec
import pyarrow as pa
from pyarrow import csv, parquet

from marquee.contract.manifest import CategoryField, InputField
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.sql import is_database, read_rows
from models.destination import LocalFolder, destination_of

TIME: Final = "timestamp"
"""When the features were true; without a zone it is UTC."""
ENTITY: Final = "entity"
"""Whom the row is about; anything that prints."""
LABEL: Final = "label"
"""What came of it: true or false, 1 or 0; empty while it is not known."""
CONSENT: Final = "consent"
"""Optional; whether the row may be learned from."""
AVAILABLE: Final = "available_at"
"""Optional, also as the end of a longer name: when the row's values were known."""

Within = tuple[dt.datetime | None, dt.datetime | None]

_INSTANT: Final = pa.timestamp("us", tz="UTC")
_NULLS: Final = ("", "null", "NULL", "nan", "NaN")


@dataclass(frozen=True)
class File:
    """One file of a table, its columns in the types that `columns_of` gives them."""

    name: str
    table: Any


def read_files(
    uri: str, fields: Sequence[InputField], *, setting: str, labelled: bool = True, within: Within = (None, None)
) -> Iterator[File]:
    """The files of a table by name, one at a time: a window of a long history fits into memory.

    Rows that are not ``within`` a start and an end, which is excluded, may be left out; a database does that.

    Raises:
        TrainingError: ``DataUnavailable``; ``DataMismatch`` with the file, the column and what is wrong with it.

    """
    wanted = columns_of(fields, labelled=labelled)
    found_before: tuple[str, frozenset[str]] | None = None
    for name, raw in _raw(uri, wanted, within, setting):
        optional = frozenset(name for name in raw.column_names if _is_optional(name))
        if found_before is not None and found_before[1] != optional:
            (other,) = sorted(found_before[1] ^ optional)[:1]
            raise _mismatch(name, f"column {other!r} is in this file or in {found_before[0]}, not in both")
        found_before = found_before or (name, optional)
        yield File(name, _typed(raw, wanted, name))


def _raw(uri: str, wanted: Mapping[str, Any], within: Within, setting: str) -> Iterator[tuple[str, Any]]:
    """Each part of the table with its name, in the types that it has there."""
    if is_database(uri):
        yield from read_rows(uri, tuple(wanted), _is_optional, TIME, within, setting=setting)
        return
    filesystem, root, paths = _listed(uri, setting)
    for path in paths:
        name = path.removeprefix(root).strip("/") or PurePosixPath(path).name
        yield name, _read(filesystem, path, name, uri, setting, wanted)


def columns_of(fields: Sequence[InputField], *, labelled: bool = True) -> dict[str, Any]:
    """The columns that a table must have, with their types."""
    features = {field.name: pa.string() if isinstance(field, CategoryField) else pa.float64() for field in fields}
    return {TIME: _INSTANT, ENTITY: pa.string(), **({LABEL: pa.bool_()} if labelled else {}), **features}


def is_availability(name: str) -> bool:
    """Whether a column tells when values of its row were known."""
    return name == AVAILABLE or name.endswith(f"_{AVAILABLE}")


def _is_optional(name: str) -> bool:
    return name == CONSENT or is_availability(name)


def _listed(uri: str, setting: str) -> tuple[Any, str, list[str]]:
    place = destination_of(uri, setting=setting)
    filesystem, root = (
        (fsspec.filesystem("file"), str(place.folder))
        if isinstance(place, LocalFolder)
        else (place.filesystem, place.root)  # type: ignore[attr-defined]  # the only other kind of destination
    )
    try:
        paths = [root] if filesystem.isfile(root) else sorted(map(str, filesystem.find(root)))
    except Exception as error:
        raise _unavailable(f"{setting} {uri} cannot be listed: {type(error).__name__}: {error}") from error
    found = [path for path in paths if _reader_of(path) is not None and not _is_hidden(path.removeprefix(root))]
    if not found:
        raise _unavailable(f"{setting} {uri}: there is no file that ends in {', '.join(_READERS)}; check the path")
    return filesystem, root, found


def _is_hidden(path: str) -> bool:
    """What other programs leave beside data: ``_SUCCESS``, ``.tmp``."""
    return any(part.startswith(("_", ".")) for part in PurePosixPath(path).parts)


def _read(filesystem: Any, path: str, name: str, uri: str, setting: str, wanted: Mapping[str, Any]) -> Any:
    reader = _reader_of(path)
    assert reader is not None  # noqa: S101 - the listing took no other
    try:
        with filesystem.open(path, "rb") as file:
            return reader(file, wanted)
    except pa.ArrowInvalid as error:
        raise _mismatch(name, f"cannot be parsed: {error}") from error
    except Exception as error:
        raise _unavailable(f"{setting} {uri}: {name} cannot be read: {type(error).__name__}: {error}") from error


def _parquet(file: IO[bytes], wanted: Mapping[str, Any]) -> Any:
    opened = parquet.ParquetFile(file)
    names = [name for name in opened.schema_arrow.names if name in wanted or _is_optional(name)]
    return opened.read(columns=names)


def _csv(file: IO[bytes], wanted: Mapping[str, Any]) -> Any:
    as_text = {name: pa.string() for name, kind in wanted.items() if kind == pa.string()}
    options = csv.ConvertOptions(column_types=as_text, strings_can_be_null=True, null_values=list(_NULLS))
    return csv.read_csv(file, convert_options=options)


_READERS: Final[dict[str, Callable[[IO[bytes], Mapping[str, Any]], Any]]] = {".parquet": _parquet, ".csv": _csv}


def _reader_of(path: str) -> Callable[[IO[bytes], Mapping[str, Any]], Any] | None:
    return _READERS.get(PurePosixPath(path).suffix.lower())


def _typed(raw: Any, wanted: Mapping[str, Any], name: str) -> Any:
    if missing := [column for column in wanted if column not in raw.column_names]:
        raise _mismatch(
            name,
            f"column {missing[0]!r} is missing ({len(missing)} of {len(wanted)} are); it has {raw.column_names[:20]}",
        )
    types = dict(wanted)
    for column in raw.column_names:
        if _is_optional(column):
            types[column] = pa.bool_() if column == CONSENT else _INSTANT
    return pa.table({column: _cast(raw[column], kind, column, name) for column, kind in types.items()})


def _cast(values: Any, kind: Any, column: str, name: str) -> Any:
    try:
        if kind == pa.bool_() and not pa.types.is_boolean(values.type):
            return _truths(values)
        if kind == _INSTANT:
            return _instants(values)
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise _mismatch(name, f"column {column!r} is {values.type}, and no {kind}: {error}") from error


def _truths(values: Any) -> Any:
    """1 and 0 are truths, other numbers are none: an amount is no label."""
    numbers = values.cast(pa.float64())
    strange = [value for value in numbers.unique().to_pylist() if value not in (0.0, 1.0, None)]
    if strange:
        raise ValueError(f"{strange[0]:g} is neither 0 nor 1")
    return numbers.cast(pa.bool_())


def _instants(values: Any) -> Any:
    kind = values.type
    if pa.types.is_null(kind):
        return values.cast(_INSTANT)
    if pa.types.is_string(kind):
        try:
            return values.cast(_INSTANT)
        except pa.ArrowInvalid:  # without a zone, which a type with one does not take
            return values.cast(pa.timestamp("us")).cast(_INSTANT)
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise ValueError("use timestamps, in CSV as 2026-01-31T12:00:00Z")
    return values.cast(_INSTANT, safe=False)  # nanoseconds become microseconds


def _mismatch(name: str, what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.DATA_MISMATCH, f"{name}: {what}")


def _unavailable(what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.DATA_UNAVAILABLE, what)
