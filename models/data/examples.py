"""From the files of a table to the examples of a window: what may be learned from, in the numbers that a model sees."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from marquee.contract.manifest import CategoryField, InputField, NumberField
from marquee.contract.retraining import Span
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.quality import Complaint, Left, Quality
from models.data.suppressed import Suppressed
from models.data.tables import CONSENT, ENTITY, LABEL, TIME, File, is_availability, read_files

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]
Mask = NDArray[np.bool_]

MOST_INVALID: Final = 0.1
"""A larger share of rows with values that the schema does not take is a broken feed, not a few odd rows."""
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Examples:
    """Rows with known outcomes, from the oldest to the newest."""

    rows: Numbers
    """Shape (rows, fields), encoded as by `models.features.matrix`."""
    label: Labels
    group: NDArray[np.int64]
    """Rows of one entity have the same number, from 0 on."""
    time: NDArray[np.int64]
    """Microseconds since 1970."""

    def __len__(self) -> int:
        return len(self.label)

    def where(self, mask: Mask) -> Examples:
        """These rows alone."""
        group = np.unique(self.group[mask], return_inverse=True)[1].reshape(-1)
        return Examples(self.rows[mask], self.label[mask], group, self.time[mask])

    def sha256(self) -> str:
        """Of the numbers: files that are cut or named otherwise give the same, and so do rows outside of the window."""
        digest = hashlib.sha256(repr(self.rows.shape).encode())
        for part in (self.rows, self.label, self.group, self.time):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Selection:
    """Which rows of a table are asked for."""

    start: dt.datetime | None = None
    end: dt.datetime | None = None
    excluded: tuple[Span, ...] = ()
    suppressed: Suppressed | None = None
    """Whose rows are left out; None: nobody's."""

    def leave_out(self, time: NDArray[np.int64]) -> dict[Left, Mask]:
        """For each reason the rows that it concerns."""
        outside = np.zeros(len(time), dtype=bool)
        if self.start is not None:
            outside |= time < microseconds(self.start)
        if self.end is not None:
            outside |= time >= microseconds(self.end)
        excluded = np.zeros(len(time), dtype=bool)
        for span in self.excluded:
            excluded |= (time >= microseconds(span.start)) & (time < microseconds(span.end))
        return {Left.OUTSIDE: outside, Left.EXCLUDED: excluded}


def read_examples(
    uri: str, fields: Sequence[InputField], selection: Selection, *, setting: str
) -> tuple[Examples, Quality]:
    """The examples of a table.

    Raises:
        TrainingError: ``DataUnavailable``; ``DataMismatch`` for columns or types that do not fit, for a row that knows
            what came after it, and for too many rows that the schema does not take; ``DataInsufficient`` for no rows.

    """
    quality = Quality()
    files = read_files(uri, fields, setting=setting, within=(selection.start, selection.end))
    parts = [_taken(file, fields, selection, quality) for file in files]
    _refuse_broken(quality)
    rows, label, time = (np.concatenate([part[index] for part in parts]) for index in (0, 1, 2))
    entity = np.concatenate([part[3] for part in parts])
    order = np.lexsort((entity.astype(str), time))
    group = np.unique(entity.astype(str), return_inverse=True)[1].reshape(-1)
    examples = Examples(rows[order], label[order], group[order], time[order])
    first = _first_of_equals(examples)
    quality.left[Left.DUPLICATE] += int((~first).sum())
    quality.used = int(first.sum())
    if not quality.used:
        raise TrainingError(
            TrainingFailureReason.DATA_INSUFFICIENT, f"{setting} {uri}: no row can be learned from\n{quality.summary()}"
        )
    return examples.where(first), quality


def microseconds(moment: dt.datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _taken(
    file: File, fields: Sequence[InputField], selection: Selection, quality: Quality
) -> tuple[Numbers, Labels, NDArray[np.int64], NDArray[np.object_]]:
    table = file.table.append_column("row", pa.array(np.arange(1, file.table.num_rows + 1)))
    quality.read += table.num_rows
    table = without(table, {Left.UNTIMED: nulls(table[TIME])}, quality)
    table = without(table, selection.leave_out(integers(table[TIME])), quality)
    if CONSENT in table.column_names:
        table = without(table, {Left.NO_CONSENT: ~truths(table[CONSENT])}, quality)
    if selection.suppressed is not None:
        table = without(table, {Left.SUPPRESSED: selection.suppressed.among(table[ENTITY])}, quality)
    refuse_foresight(table, file.name)
    table = without(table, {Left.UNLABELLED: nulls(table[LABEL])}, quality)
    encoded = [_encoded(field, table[field.name], quality) for field in fields]
    invalid = np.zeros(table.num_rows, dtype=bool)
    for _, wrong in encoded:
        invalid |= wrong
    rows = np.column_stack([column for column, _ in encoded]) if fields else np.empty((table.num_rows, 0))
    table = without(table, {Left.INVALID: invalid}, quality)
    return rows[~invalid], truths(table[LABEL]), integers(table[TIME]), table[ENTITY].to_numpy(zero_copy_only=False)


def without(table: Any, reasons: dict[Left, Mask], quality: Quality) -> Any:
    """The table without the rows that a reason concerns; each is counted under the first of its reasons."""
    gone = np.zeros(table.num_rows, dtype=bool)
    for reason, concerned in reasons.items():
        quality.left[reason] += int((concerned & ~gone).sum())
        gone |= concerned
    return table.filter(pa.array(~gone)) if gone.any() else table


def refuse_foresight(table: Any, name: str) -> None:
    """A row that was known only after its event would teach the model what it cannot know when it is asked."""
    for column in filter(is_availability, table.column_names):
        known = ~nulls(table[column])
        late = known & (integers(table[column]) > integers(table[TIME]))
        if late.any():
            row = table.slice(int(late.argmax()), 1).to_pylist()[0]
            raise TrainingError(
                TrainingFailureReason.DATA_MISMATCH,
                f"{name}: row {row['row']}: {column} is {row[column].isoformat()}, after its {TIME} "
                f"{row[TIME].isoformat()}: its values were not known yet ({int(late.sum()):,} rows like this); "
                "join features as of the event's time",
            )


def _refuse_broken(quality: Quality) -> None:
    looked_at = quality.read - sum(count for reason, count in quality.left.items() if reason is not Left.INVALID)
    if quality.left[Left.INVALID] > MOST_INVALID * looked_at:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH,
            f"{quality.left[Left.INVALID]:,} of {looked_at:,} rows have values that the schema does not take, more "
            f"than {MOST_INVALID:.0%}: is the feed broken?\n{quality.summary()}",
        )


def _encoded(field: InputField, column: Any, quality: Quality) -> tuple[Numbers, Mask]:
    """The column as a model gets it, and where it has no value that a model takes."""
    missing = nulls(column)
    quality.complain(field.name, Complaint.MISSING, int(missing.sum()))
    values, wrong = _category(field, column, quality) if isinstance(field, CategoryField) else _number(field, column)
    wrong &= ~missing
    if isinstance(field, NumberField):
        quality.complain(field.name, Complaint.OUT_OF_RANGE, int(wrong.sum()))
    values[missing] = np.nan
    return values, wrong if field.nullable else wrong | missing


def _number(field: NumberField, column: Any) -> tuple[Numbers, Mask]:
    values = np.array(column.to_numpy(), dtype=np.float64)
    low = -np.inf if field.minimum is None else field.minimum
    high = np.inf if field.maximum is None else field.maximum
    good = np.isfinite(values) & (values >= low) & (values <= high)
    if field.kind == "integer":
        good &= values == np.trunc(values)
    return values, ~good


def _category(field: CategoryField, column: Any, quality: Quality) -> tuple[Numbers, Mask]:
    places = compute.index_in(column, value_set=pa.array(field.categories))
    unknown = nulls(places) & ~nulls(column)
    quality.complain(field.name, Complaint.UNKNOWN, int(unknown.sum()))
    values = np.array(places.fill_null(0 if field.other is None else field.other).to_numpy(), dtype=np.float64)
    return values, unknown if field.other is None else np.zeros(len(values), dtype=bool)


def _first_of_equals(examples: Examples) -> Mask:
    whole = np.ascontiguousarray(
        np.column_stack([examples.rows, examples.label, examples.group, examples.time.view(np.float64)])
    )
    first = np.zeros(len(examples), dtype=bool)
    first[np.unique(whole.view(f"V{whole.shape[1] * whole.itemsize}").reshape(-1), return_index=True)[1]] = True
    return first


def nulls(column: Any) -> Mask:
    """Where a column has no value."""
    found = compute.is_null(column, nan_is_null=pa.types.is_floating(column.type))
    return np.array(found.to_numpy(), dtype=bool)


def truths(column: Any) -> Mask:
    """Where a column says yes."""
    return np.array(column.fill_null(False).to_numpy(), dtype=bool)


def integers(column: Any) -> NDArray[np.int64]:
    """Instants as microseconds; 0 where there is none."""
    return np.array(column.cast(pa.int64()).fill_null(0).to_numpy(), dtype=np.int64)
