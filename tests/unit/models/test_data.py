"""The parsers of the data sets: the real files, and files that are something else."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data import caravan, cdnow
from tests.support.training import caravan_data, cdnow_sample


def test_caravan_has_the_published_counts() -> None:
    """5,822 customers, 85 attributes, 348 buyers."""
    data = caravan_data()
    assert data.values.shape == (5_822, 85)
    assert data.bought.sum() == 348
    assert data.names[0] == "MOSTYPE"


def test_the_cdnow_sample_has_the_published_counts() -> None:
    """2,357 customers, who first bought in the first quarter of 1997."""
    purchases = cdnow_sample()
    assert len(np.unique(purchases.customer)) == 2_357
    assert len(purchases.day) == 6_919
    assert purchases.day.min() == dt.date(1997, 1, 1).toordinal()
    assert purchases.day.max() == dt.date(1998, 6, 30).toordinal()


@pytest.mark.parametrize(
    "content",
    [b"MOSTYPE,Other\n1,Yes\n", b"MOSTYPE,Purchase\n1,Maybe\n", b"MOSTYPE,Purchase\nx,Yes\n"],
    ids=["no label", "unknown label", "no number"],
)
def test_a_file_that_is_no_caravan_is_refused(content: bytes) -> None:
    """Another file under the right name is a data error, with what is wrong in it."""
    with pytest.raises(TrainingError, match=r"Caravan\.csv cannot be parsed") as caught:
        caravan.parse(content)
    assert caught.value.failure.reason is TrainingFailureReason.DATA_MISMATCH


@pytest.mark.parametrize(
    "content",
    [b"", b"00001 19970101 1 x\n", b"00001 19971301 1 9.90\n", b"00001 19970101 9.90\n", b"1 19970101 1 9\n2 3\n"],
    ids=["empty", "no number", "no such day", "column missing", "ragged"],
)
def test_a_file_that_is_no_purchase_log_is_refused(content: bytes) -> None:
    """The same for a purchase log."""
    with pytest.raises(TrainingError) as caught:
        cdnow.parse(content, columns=4)
    assert caught.value.failure.reason is TrainingFailureReason.DATA_MISMATCH


def test_windows_of_a_purchase_log_do_not_overlap() -> None:
    """Calibration and hold-out share no day, and together they are everything."""
    purchases = cdnow_sample()
    known = purchases.until(cdnow.CALIBRATION_END)
    later = purchases.between(cdnow.CALIBRATION_END, cdnow.HOLDOUT_END)
    assert known.day.max() < later.day.min()
    assert len(known.day) + len(later.day) == len(purchases.day)
