"""Simulated purchase logs: customers of the BG/NBD model, whose purchases cost what Gamma-Gamma says."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np

FIRST: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAYS: Final = 280


def purchase_columns(
    customers: int = 400, *, days: int = DAYS, seed: int = 0, rate: float = 1.0
) -> dict[str, list[Any]]:
    """All purchases of that many customers, who come within the first 60 days; ``rate`` makes them buy more often."""
    random = np.random.default_rng(seed)
    rows: list[tuple[dt.datetime, str, float]] = []
    for number in range(customers):
        each_day = random.gamma(1.2, rate / 25)
        leaves, mean = random.beta(0.9, 4), random.gamma(6, 5)
        day = float(random.uniform(0, 60))
        while day < days:
            rows.append((FIRST + dt.timedelta(days=day), f"c{number:04}", round(float(random.gamma(6, mean / 6)), 2)))
            if random.random() < leaves:
                break
            day += random.exponential(1 / each_day)
    moments, names, values = zip(*rows, strict=True)
    return {"timestamp": list(moments), "entity": list(names), "value": list(values)}
