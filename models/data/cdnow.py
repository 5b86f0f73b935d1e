"""CDNOW: every purchase until June 1998 of the 23,570 customers who first bought in the first quarter of 1997.

P. Fader and B. Hardie published the data; the package Lifetimes carries it whole and as the systematic 1/10
sample on which the literature reports its figures.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.packages import PackageFile, read

_WHEEL: Final = "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8"
MASTER: Final = PackageFile(
    package="Lifetimes",
    version="0.11.3",
    wheel_sha256=_WHEEL,
    member="lifetimes/datasets/CDNOW_master.txt",
    sha256="eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
)
SAMPLE: Final = PackageFile(
    package="Lifetimes",
    version="0.11.3",
    wheel_sha256=_WHEEL,
    member="lifetimes/datasets/CDNOW_sample.txt",
    sha256="6fae10155c0b0ba363c2c386e30f77990d22328220efd862a5edd1443420d94a",
)

CALIBRATION_END: Final = dt.date(1997, 9, 30)
HOLDOUT_END: Final = dt.date(1998, 6, 30)
HOLDOUT_WEEKS: Final = 39

_COLUMNS: Final = {"master": 4, "sample": 5}
"""The sample has the customer's number within the sample as a second column."""


@dataclass(frozen=True)
class Purchases:
    """A purchase log; one entry is one order line."""

    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    """Proleptic ordinal, as `datetime.date.toordinal` counts."""
    value: NDArray[np.float64]
    """US dollars."""

    def until(self, last: dt.date) -> Purchases:
        """The purchases on or before a day."""
        kept = self.day <= last.toordinal()
        return Purchases(self.customer[kept], self.day[kept], self.value[kept])

    def between(self, after: dt.date, last: dt.date) -> Purchases:
        """The purchases after one day, until and with another."""
        kept = (self.day > after.toordinal()) & (self.day <= last.toordinal())
        return Purchases(self.customer[kept], self.day[kept], self.value[kept])


def load(data_cache: Path, which: Literal["master", "sample"]) -> Purchases:
    """Fetch and parse all purchases, or those of the 1/10 sample.

    Raises:
        TrainingError: ``DataUnavailable`` or ``DataMismatch``.

    """
    return parse(read(MASTER if which == "master" else SAMPLE, data_cache), columns=_COLUMNS[which])


def parse(content: bytes, *, columns: int) -> Purchases:
    """The purchases of a file whose lines are customer, .., day as YYYYMMDD, number of discs, dollars.

    Raises:
        TrainingError: ``DataMismatch`` for a line with another number of columns, or something else than numbers.

    """
    try:
        table = np.array([line.split() for line in content.decode("ascii").splitlines() if _is_data(line)])
        if table.ndim != 2 or table.shape[1] != columns:
            raise ValueError(f"every line must have {columns} columns")
        ordinals = {text: dt.datetime.strptime(text, "%Y%m%d").date().toordinal() for text in set(table[:, -3])}  # noqa: DTZ007 (a calendar day has no time zone)
        return Purchases(
            customer=table[:, 0].astype(np.int64),
            day=np.array([ordinals[text] for text in table[:, -3]], dtype=np.int64),
            value=table[:, -1].astype(np.float64),
        )
    except ValueError as error:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH, f"the purchase log cannot be parsed: {error}"
        ) from error


def _is_data(line: str) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith("customer")
