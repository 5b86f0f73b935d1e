"""The parts of the drift benchmark that its figures rest on."""

from __future__ import annotations

import numpy as np
import pytest

from marquee.evidence.drift.verdict import Tier, replay
from tests.bench.drift import counting
from tests.bench.drift.alarms import QUIET_DAYS, upper95, windows_to_detect
from tests.bench.drift.feeds import BASELINE, FEATURES, ROWS, SETTINGS, baseline, means_of, rows_of, windows


def test_drawn_counts_are_those_of_drawn_rows() -> None:
    """The same bins, the same shares: within five standard deviations of a count."""
    random = np.random.default_rng(0)
    means = means_of(random, range(5, 6))
    (drawn,) = windows(random, range(5, 6), means)
    found = counting.bins()
    seen = counting.window(found, 5, counting.counted(found, rows_of(random, means[0], ROWS)).tolist())
    assert (drawn.label, drawn.rows, len(drawn.features)) == (seen.label, seen.rows, FEATURES) == ("Sat", ROWS, 60)
    for name, histogram in drawn.features.items():
        one, other = np.array(histogram.bins), np.array(seen.features[name].bins)
        assert (abs(one - other) <= 5 * np.sqrt(2 * np.maximum(one, 10))).all()


def test_a_large_shift_is_found_at_once_and_none_before() -> None:
    """What is counted begins with the shift."""
    assert windows_to_detect(0, shift=0.5) == 1
    random = np.random.default_rng(0)
    days = range(BASELINE, BASELINE + QUIET_DAYS)
    told = replay(windows(random, days, means_of(random, days)), baseline(random), SETTINGS)
    assert {each.tier for each in told} <= {Tier.STABLE, Tier.INVESTIGATE}


def test_a_rate_is_bounded_from_what_was_seen() -> None:
    """Nothing in 200 years is at most 0.015 a year at 95 %: minus the logarithm of 0.05, over 200."""
    assert upper95(0, 200) == pytest.approx(-np.log(0.05) / 200)
    assert upper95(1, 200) == pytest.approx(4.744 / 200, abs=1e-4)
