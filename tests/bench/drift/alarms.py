"""False retrainings in simulated years, and how soon a real shift asks for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import chi2

from marquee.evidence.drift.verdict import State, Tier, follow
from tests.bench.drift.feeds import BASELINE, FEATURES, SETTINGS, baseline, means_of, windows

DAYS_A_YEAR: Final = 365
SHIFTED: Final = 6
"""Of the features."""
QUIET_DAYS: Final = 28
"""After the baseline, until the shift."""
PATIENCE_DAYS: Final = 60
_CHUNK_DAYS: Final = 73


@dataclass(frozen=True)
class Year:
    """A simulated year without drift."""

    retrains: int
    investigates: int


def quiet_year(seed: int) -> Year:
    """A baseline of four weeks, then a year. A retraining forgets what has accumulated; the baseline stays."""
    random = np.random.default_rng([1, seed])
    usual, state = baseline(random), State()
    retrains = investigates = 0
    for start in range(BASELINE, BASELINE + DAYS_A_YEAR, _CHUNK_DAYS):
        days = range(start, start + _CHUNK_DAYS)
        for window in windows(random, days, means_of(random, days)):
            assessment, state = follow(window, usual, state, SETTINGS)
            investigates += assessment.tier is Tier.INVESTIGATE
            if assessment.tier is Tier.RETRAIN:
                retrains, state = retrains + 1, State(window.start)
    return Year(retrains, investigates)


def windows_to_detect(seed: int, shift: float) -> int:
    """Windows with a shift of so many standard deviations in `SHIFTED` features, until one says Retrain."""
    random = np.random.default_rng([2, seed])
    usual, state = baseline(random), State()
    days = range(BASELINE, BASELINE + QUIET_DAYS + PATIENCE_DAYS)
    means = means_of(random, days)
    means[QUIET_DAYS:, random.permutation(FEATURES)[:SHIFTED]] += shift
    for place, window in enumerate(windows(random, days, means)):
        assessment, state = follow(window, usual, state, SETTINGS)
        if assessment.tier is Tier.RETRAIN and place >= QUIET_DAYS:
            return place - QUIET_DAYS + 1
        if assessment.tier is Tier.RETRAIN:
            state = State(window.start)
    return PATIENCE_DAYS + 1


def upper95(events: int, years: int) -> float:
    """The rate a year that so many events in so many years do not exceed, at 95 % (Garwood, for a Poisson)."""
    return float(chi2.ppf(0.95, 2 * (events + 1)) / 2 / years)
