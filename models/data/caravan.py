"""Caravan: 5,822 customers of a Dutch insurer, 85 attributes each, and who of them bought caravan insurance.

The training half of the CoIL Challenge 2000 (P. van der Putten and M. van Someren), as the package of the book
*An Introduction to Statistical Learning* carries it.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.packages import PackageFile, read

CARAVAN: Final = PackageFile(
    package="islp",
    version="0.6.0",
    wheel_sha256="ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b",
    member="ISLP/data/Caravan.csv",
    sha256="e89d49b6fb8fe02d76bb5bb80d8e0dab473bf9f6a72515e30c259f6d7da42269",
)
_LABEL: Final = "Purchase"


@dataclass(frozen=True)
class Caravan:
    """The customers, as the file has them."""

    names: tuple[str, ...]
    """85 attribute names, in the order of the columns."""
    values: NDArray[np.int64]
    """Shape (customers, attributes): codes, as the data dictionary numbers them."""
    bought: NDArray[np.bool_]
    """Shape (customers,)."""


def load(data_cache: Path) -> Caravan:
    """Fetch and parse the data set.

    Raises:
        TrainingError: ``DataUnavailable`` or ``DataMismatch``.

    """
    return parse(read(CARAVAN, data_cache))


def parse(content: bytes) -> Caravan:
    """The customers of a file with a header line, whole numbers, and ``Purchase`` as its last column.

    Raises:
        TrainingError: ``DataMismatch``.

    """
    header, *rows = csv.reader(io.StringIO(content.decode("ascii")))
    try:
        if header[-1] != _LABEL:
            raise ValueError(f"the last column is {header[-1]!r}, not {_LABEL!r}")
        values = np.array([row[:-1] for row in rows], dtype=np.int64)
        bought = np.array([{"Yes": True, "No": False}[row[-1]] for row in rows])
    except (KeyError, ValueError) as error:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH, f"{CARAVAN.member} cannot be parsed: {error}"
        ) from error
    return Caravan(tuple(header[:-1]), values, bought)
