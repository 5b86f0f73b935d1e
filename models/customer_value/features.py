"""Purchase logs summarised as recency, frequency, age and monetary value; for training and for callers alike.

The definitions are those of the BG/NBD literature: purchases of one day count as one, the first day is the start
and no repeat purchase, time is in weeks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.data.cdnow import Purchases

Numbers = NDArray[np.float64]

DAYS_A_WEEK: Final = 7


@dataclass(frozen=True)
class Summary:
    """One entry per customer with a purchase, in the order of the customers' numbers."""

    customer: NDArray[np.int64]
    frequency: Numbers
    """Number of days with a purchase, without the first."""
    recency: Numbers
    """Weeks from the first purchase to the last."""
    age: Numbers
    """Weeks from the first purchase to the day of the summary; the literature's T."""
    monetary_value: Numbers
    """Mean value of a repeat purchase day; 0 where there is none."""


def summarise(purchases: Purchases, as_of: dt.date) -> Summary:
    """The customers as they were known at the end of a day; later purchases are not looked at."""
    known = purchases.until(as_of)
    pair, of_pair = np.unique(np.column_stack([known.customer, known.day]), axis=0, return_inverse=True)
    value = np.bincount(of_pair.reshape(-1), weights=known.value)
    customer, first, days = np.unique(pair[:, 0], return_index=True, return_counts=True)
    start, end = pair[first, 1], pair[first + days - 1, 1]
    frequency = (days - 1).astype(float)
    total = np.add.reduceat(value, first) - value[first]
    return Summary(
        customer=customer,
        frequency=frequency,
        recency=(end - start) / DAYS_A_WEEK,
        age=(as_of.toordinal() - start) / DAYS_A_WEEK,
        monetary_value=np.divide(total, frequency, out=np.zeros_like(total), where=frequency > 0),
    )


def later_purchases(purchases: Purchases, customer: NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """Number of days with a purchase, and money spent, of each of these customers in a purchase log."""
    index = np.searchsorted(customer, purchases.customer)
    index = np.minimum(index, len(customer) - 1)
    known = customer[index] == purchases.customer
    days = np.unique(np.column_stack([index[known], purchases.day[known]]), axis=0)[:, 0]
    count = np.bincount(days, minlength=len(customer))
    spent = np.bincount(index[known], weights=purchases.value[known], minlength=len(customer))
    return count.astype(np.float64), spent.astype(np.float64)
