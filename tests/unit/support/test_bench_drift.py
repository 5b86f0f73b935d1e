"""The parts of the drift benchmark that its figures rest on."""

from __future__ import annotations

import numpy as np
import pytest

from marquee.evidence.drift.verdict import Tier, replay
from tests.bench.drift import counting
from tests.bench.drift.alarms import QUIET_DAYS, first_retraining, judged, upper95, windows_to_detect
from tests.bench.drift.feeds import (
    BASELINE,
    FEATURES,
    NAMES,
    ROWS,
    SETTINGS,
    baseline,
    drawn,
    means_of,
    rows_of,
    windows,
)
from tests.bench.drift.screening import screen, stability_indexes


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


def test_the_verdict_whose_cost_is_measured_compares_every_feature() -> None:
    """A day of as many rows as those of its baseline: no broken feed."""
    found = counting.cost(rows=ROWS)
    assert found.compared == FEATURES
    assert min(found.counting, found.verdict) > 0


def test_a_large_shift_is_found_at_once_and_none_before() -> None:
    """What is counted begins with the shift."""
    assert windows_to_detect(0, shift=0.5) == 1
    random = np.random.default_rng(0)
    days = range(BASELINE, BASELINE + QUIET_DAYS)
    told = replay(windows(random, days, means_of(random, days)), baseline(random), SETTINGS)
    assert {each.tier for each in told} <= {Tier.STABLE, Tier.INVESTIGATE}


def test_the_screen_computes_what_the_product_does() -> None:
    """What has accumulated on days with a short and with a whole history, and how large effects are."""
    random = np.random.default_rng(1)
    counts = drawn(random, means_of(random, range(BASELINE + 40)))
    screened = screen(counts)
    for day in (0, 5, 39):
        last = judged(counts, day).assessments[-1]
        assert screened.log_sums[day] == pytest.approx(last.log_sum, abs=1e-9)
        told = [last.comparisons[name].stability_index for name in NAMES]
        assert stability_indexes(counts)[day] == pytest.approx(told, abs=1e-9)


def test_the_screen_lets_pass_what_three_windows_confirm() -> None:
    """A feature whose shape changed, its mean not: nothing accumulates, and the third day is near."""
    random = np.random.default_rng(2)
    counts = drawn(random, means_of(random, range(BASELINE + 5)))
    moved = counts[-3:, 0] // 5
    moved[:, 5:17] = 0
    counts[-3:, 0] -= moved
    counts[-3:, 0, 10] += moved.sum(axis=1)
    assert screen(counts).near.tolist()[:4] == [False] * 4
    assert first_retraining(counts) == 4
    assert screen(counts).near[4]


def test_a_rate_is_bounded_from_what_was_seen() -> None:
    """Nothing in 200 years is at most 0.015 a year at 95 %: minus the logarithm of 0.05, over 200."""
    assert upper95(0, 200) == pytest.approx(-np.log(0.05) / 200)
    assert upper95(1, 200) == pytest.approx(4.744 / 200, abs=1e-4)
