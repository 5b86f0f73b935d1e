"""A purchase log as a table: who bought when and for how much; who may be learned from, and what is left out."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marquee.contract.manifest import NumberField
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.cdnow import Purchases
from models.data.examples import MOST_INVALID, Selection, integers, nulls, refuse_foresight, truths, without
from models.data.quality import Complaint, Left, Quality
from models.data.tables import CONSENT, ENTITY, TIME, File, read_files

VALUE: Final = "value"
"""The column of what was paid, not negative."""
FIELDS: Final = (NumberField(name=VALUE, minimum=0),)
_DAY: Final = 86_400_000_000
"""In microseconds."""
_FIRST_DAY: Final = dt.date(1970, 1, 1).toordinal()

Mask = NDArray[np.bool_]


def read_purchases(uri: str, selection: Selection, *, setting: str) -> tuple[Purchases, Quality]:
    """The purchases of a table, with customers numbered in the order of their names.

    A customer of whom one row lacks consent is left out with all rows: half of a history is another history.

    Raises:
        TrainingError: as `models.data.examples.read_examples`.

    """
    quality = Quality()
    within = selection.start, selection.end
    files = read_files(uri, FIELDS, setting=setting, labelled=False, within=within)
    parts = [_taken(file, selection, quality) for file in files]
    entity, time, value, refuses = (np.concatenate([part[index] for part in parts]) for index in range(4))
    withdrawn = np.isin(entity, np.unique(entity[refuses]))
    quality.left[Left.NO_CONSENT] += int(withdrawn.sum())
    wrong = ~withdrawn & ~(np.isfinite(value) & (value >= 0))
    quality.complain(VALUE, Complaint.OUT_OF_RANGE, int(wrong.sum()))
    quality.left[Left.INVALID] += int(wrong.sum())
    kept = ~withdrawn & ~wrong
    quality.used = int(kept.sum())
    if wrong.sum() > MOST_INVALID * (~withdrawn).sum():
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH,
            f"{setting} {uri}: {wrong.sum():,} of {(~withdrawn).sum():,} rows have a {VALUE} that is missing or "
            f"negative, more than {MOST_INVALID:.0%}: is the feed broken?\n{quality.summary()}",
        )
    if not quality.used:
        raise TrainingError(
            TrainingFailureReason.DATA_INSUFFICIENT, f"{setting} {uri}: no row can be learned from\n{quality.summary()}"
        )
    customer = np.unique(entity[kept], return_inverse=True)[1].reshape(-1).astype(np.int64)
    day = time[kept] // _DAY + _FIRST_DAY
    order = np.lexsort((value[kept], customer, day))
    return Purchases(customer[order], day[order], value[kept][order]), quality


def _taken(
    file: File, selection: Selection, quality: Quality
) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.float64], Mask]:
    """Names, microseconds, values, and which rows lack consent."""
    table = file.table.append_column("row", pa.array(np.arange(1, file.table.num_rows + 1)))
    quality.read += table.num_rows
    reasons = {Left.UNTIMED: nulls(table[TIME]), **selection.leave_out(integers(table[TIME]))}
    if selection.suppressed is not None:
        reasons[Left.SUPPRESSED] = selection.suppressed.among(table[ENTITY])
    table = without(table, reasons, quality)
    refuses = ~truths(table[CONSENT]) if CONSENT in table.column_names else np.zeros(table.num_rows, dtype=bool)
    refuse_foresight(table.filter(pa.array(~refuses)), file.name)
    names = table[ENTITY].fill_null("").to_numpy(zero_copy_only=False).astype(str)
    return names, integers(table[TIME]), table[VALUE].to_numpy().astype(np.float64), refuses
