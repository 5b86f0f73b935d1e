"""Simulated traffic of a model: 60 numbers, weekends 0.3 standard deviations off, days that waver by 0.02.

Counts of a window are drawn as they would be over the fixed bins of a reference that has seen all days of the week;
`rows_of` draws the rows themselves, for what has to go through a predictor's counting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from marquee.api.drift import Drift
from marquee.contract.drift import SPECIALS
from marquee.contract.manifest import NumericProfile, ReferenceProfile
from marquee.evidence.drift.baselines import Baseline, baseline_of
from marquee.evidence.drift.counting import Histogram, Window
from marquee.judging.windows import settings_of

FEATURES: Final = 60
ROWS: Final = 20_000
"""A window's."""
FEW_ROWS: Final = 5_000
"""Of a smaller model's window."""
DRIFT: Final = Drift()
"""As `spec.drift: {}` has it."""
BASELINE: Final = DRIFT.baseline_windows
"""Four weeks of days."""
MONDAY: Final = 20_003
"""A Monday, in days since 1970."""
WEEKEND_SWING: Final = 0.3
DAILY_JITTER: Final = 0.02
BINS: Final = 20
NAMES: Final = tuple(f"f{index:02}" for index in range(FEATURES))
LABELS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SETTINGS: Final = settings_of(DRIFT)
OUTPUT: Final = "p"

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
"""Shape (days, features, bins)."""


def edges() -> Numbers:
    """Quantiles of a reference over whole weeks, between a bin of 1 in 100,000 on either side."""
    grid = np.linspace(-6, 6, 120_001)
    share = (5 * norm.cdf(grid) + 2 * norm.cdf(grid - WEEKEND_SWING)) / 7
    wanted = np.concatenate([[1e-5], np.arange(1, BINS) / BINS, [1 - 1e-5]])
    return np.asarray(np.interp(wanted, share, grid))


def means_of(random: np.random.Generator, days: range) -> Numbers:
    """Shape (days, features): where each feature's mean lies on each day."""
    weekend = np.array([day % 7 >= 5 for day in days])[:, None] * WEEKEND_SWING
    return np.asarray(weekend + random.normal(0, DAILY_JITTER, (len(days), FEATURES)))


def drawn(random: np.random.Generator, means: Numbers, rows: int = ROWS) -> Counts:
    """What is counted on each day: as many rows each."""
    cumulated = norm.cdf(edges()[None, None, :] - means[:, :, None])
    ends = np.ones((*means.shape, 1))
    shares = np.diff(np.concatenate([0 * ends, cumulated, ends], axis=2), axis=2)
    return random.multinomial(rows, shares)


def windows(random: np.random.Generator, days: range, means: Numbers, rows: int = ROWS) -> Iterator[Window]:
    """What is counted on each day, as the mathematics takes it."""
    for day, of_day in zip(days, drawn(random, means, rows).tolist(), strict=True):
        features = {name: Histogram(tuple(bins)) for name, bins in zip(NAMES, of_day, strict=True)}
        yield Window(day, LABELS[day % 7], features, rows)


def counters_of(of_day: Counts) -> tuple[int, ...]:
    """A day's counts as the ledger tells them: rows, refused rows, then each feature's bins and specials."""
    specials = np.zeros((FEATURES, len(SPECIALS)), dtype=np.int64)
    head = [int(of_day[0].sum()), 0]
    return (*head, *np.concatenate([of_day, specials], axis=1).ravel().tolist())


def baseline(random: np.random.Generator) -> Baseline:
    """Four quiet weeks."""
    days = range(BASELINE)
    return baseline_of(windows(random, days, means_of(random, days)), SETTINGS.quality)


def rows_of(random: np.random.Generator, means: Numbers, rows: int) -> Numbers:
    """Shape (rows, features): the rows of one day, given its means."""
    return np.asarray(random.normal(means, 1, (rows, FEATURES)))


PROFILE: Final = ReferenceProfile(
    rows=0,
    features=dict.fromkeys(NAMES, NumericProfile(edges=tuple(edges().tolist()), counts=(0,) * (BINS + 2))),
)
"""Of 60 numbers over the same edges."""
