"""Purchase logs to recency, frequency, age and value: a log small enough to do by hand, and the real one."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.customer_value.features import later_purchases, summarise
from models.data.cdnow import CALIBRATION_END, Purchases
from tests.support.training import cdnow_sample

START = dt.date(2024, 1, 1)


def log_of(*lines: tuple[int, int, float]) -> Purchases:
    """Purchases of (customer, days after the start, value)."""
    customer, day, value = zip(*lines, strict=True)
    return Purchases(np.array(customer), np.array(day) + START.toordinal(), np.array(value, dtype=float))


def test_a_small_log_by_hand() -> None:
    """Order lines of one day are one purchase; the first one counts for nothing but the start."""
    summary = summarise(
        log_of((7, 0, 5.0), (7, 0, 6.0), (7, 14, 30.0), (7, 28, 10.0), (7, 28, 20.0), (3, 7, 99.0)),
        START + dt.timedelta(days=70),
    )
    assert summary.customer.tolist() == [3, 7]
    assert summary.frequency.tolist() == [0, 2]
    assert summary.recency.tolist() == [0, 4]
    assert summary.age.tolist() == [9, 10]
    assert summary.monetary_value.tolist() == [0, 30]


def test_what_comes_after_the_day_is_not_looked_at() -> None:
    """Leakage: a later purchase changes nothing, and a later customer does not exist yet."""
    known = [(1, 0, 5.0), (1, 10, 7.0)]
    later = [(1, 21, 1_000.0), (2, 30, 3.0)]
    as_of = START + dt.timedelta(days=20)
    before, after = summarise(log_of(*known), as_of), summarise(log_of(*known, *later), as_of)
    for name in ("customer", "frequency", "recency", "age", "monetary_value"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


@given(st.permutations(range(6)))
def test_the_order_of_the_lines_does_not_matter(order: list[int]) -> None:
    """A log from a database comes in any order."""
    lines = [(1, 0, 1.0), (1, 5, 2.0), (2, 1, 3.0), (2, 1, 4.0), (2, 9, 5.0), (3, 2, 6.0)]
    expected = summarise(log_of(*lines), START + dt.timedelta(days=30))
    shuffled = summarise(log_of(*(lines[index] for index in order)), START + dt.timedelta(days=30))
    assert np.array_equal(expected.recency, shuffled.recency)
    assert shuffled.monetary_value == pytest.approx(expected.monetary_value)


def test_later_purchases_are_counted_by_day_and_only_for_known_customers() -> None:
    """A customer without any has zeros; a stranger is left out."""
    count, spent = later_purchases(log_of((1, 40, 5.0), (1, 40, 6.0), (1, 41, 7.0), (9, 40, 8.0)), np.array([1, 4]))
    assert count.tolist() == [2, 0]
    assert spent.tolist() == [18, 0]


def test_the_cdnow_sample_is_summarised_as_published() -> None:
    """946 of the 2,357 customers came back within 39 weeks; T runs from 27 to 38.86 weeks."""
    summary = summarise(cdnow_sample(), CALIBRATION_END)
    assert len(summary.customer) == 2_357
    assert (summary.frequency > 0).sum() == 946
    assert summary.age.min() == pytest.approx(27)
    assert summary.age.max() == pytest.approx(38.857, abs=1e-3)
    assert (summary.recency <= summary.age).all()
