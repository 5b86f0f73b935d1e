"""By how much alike windows waver, and how often a quiet window then looks different."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import integrate, stats

from marquee.evidence.drift.comparing import Comparison, compare
from marquee.evidence.drift.counting import Histogram
from marquee.evidence.drift.wavering import NOTHING_KNOWN, Wavering, wavering_of, wavering_tail
from tests.unit.evidence.drift.feeds import EDGES, normal

LABELS, WEEKS = 7, 4
Days = NDArray[np.float64]


def drawn(random: np.random.Generator, rows: int, means: Days, deviations: Days | float = 1.0) -> list[Histogram]:
    """Windows of a normal feature with a mean and a deviation of its own each."""
    below = stats.norm.cdf((np.array(EDGES) - means[:, None]) / np.reshape(deviations, (-1, 1)))
    ends = np.ones((len(means), 1))
    shares = np.diff(np.concatenate([0 * ends, below, ends], axis=1), axis=1)
    return [Histogram(tuple(bins)) for bins in random.multinomial(rows, shares).tolist()]


def trials(count: int, rows: int, jitter: float, wider: float = 0.0) -> list[Comparison]:
    """As many quiet windows, each with a baseline of its own: four weeks, weekends 0.3 higher."""
    random = np.random.default_rng([rows, round(1000 * jitter), round(1000 * wider)])
    days = LABELS * WEEKS + 1
    weekend = np.array([0.3 if day % LABELS >= 5 else 0.0 for day in range(days)])
    found = []
    for _ in range(count):
        deviations = np.exp(random.normal(0, wider, days))
        windows = drawn(random, rows, weekend + random.normal(0, jitter, days), deviations)
        by_label = {str(label): windows[label : days - 1 : LABELS] for label in range(LABELS)}
        found.append(compare(windows[-1], by_label["0"], wavering_of(by_label)))
    return found


@pytest.mark.parametrize("rows", [5_000, 20_000])
@pytest.mark.parametrize("jitter", [0.0, 0.01, 0.02, 0.05])
def test_quiet_windows_look_different_as_often_as_promised(rows: int, jitter: float) -> None:
    """Days that waver in one direction: no more p-values below 5, 1 and 0.1 % than that, within four deviations."""
    count = 1_500
    p_values = [each.p_value for each in trials(count, rows, jitter)]
    for level in (0.05, 0.01, 0.001):
        below = sum(p_value <= level for p_value in p_values)
        assert below <= stats.binom.isf(3e-5, count, level), level


def test_it_is_the_tail_and_not_merely_careful() -> None:
    """Where days waver by much, p-values are as many as promised, not fewer."""
    count = 1_500
    below = sum(each.p_value <= 0.05 for each in trials(count, 20_000, 0.05))
    assert below >= stats.binom.ppf(3e-5, count, 0.05)


def test_days_that_waver_in_two_ways_are_less_odd_than_promised() -> None:
    """A mean and a spread that waver alike: the tail of one direction is heavier."""
    count = 1_500
    p_values = [each.p_value for each in trials(count, 20_000, 0.02, wider=0.015)]
    assert sum(p_value <= 0.01 for p_value in p_values) <= stats.binom.isf(3e-5, count, 0.01)


def test_the_extra_variance_is_that_of_the_days() -> None:
    """A mean that wavers by a deviation of .02 has .0004 of it, in standard deviations; all windows tell it alike."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        windows = drawn(random, 20_000, random.normal(0, 0.02, LABELS * WEEKS))
        found.append(wavering_of({str(label): windows[label::LABELS] for label in range(LABELS)}))
    assert np.mean([each.extra for each in found]) == pytest.approx(0.0004, rel=0.1)
    assert [each.degrees for each in found] == pytest.approx([LABELS * (WEEKS - 1)] * 200)


def test_windows_of_few_rows_tell_less_of_days() -> None:
    """Seven of them with a tenth of the rows add less than two degrees of freedom to the three of four large ones."""
    equal = wavering_of({"a": [normal(10_000)] * 4})
    mixed = wavering_of({"a": [normal(10_000)] * 4 + [normal(1_000)] * 7})
    assert equal.degrees == pytest.approx(3)
    assert 3 < mixed.degrees < 5


@pytest.mark.parametrize("rows", [0, 1, 4, 7, 900])
def test_a_window_of_a_few_rows_blurs_nothing(rows: int) -> None:
    """A day on which a feature was hardly ever sent: the others' bins stay, and so does what they tell."""
    windows = drawn(np.random.default_rng(5), 10_000, np.array([0, 0.05, -0.05, 0.02]))
    assert wavering_of({"a": [*windows, normal(rows)]}) == wavering_of({"a": windows})


def test_windows_of_hardly_any_rows_tell_nothing() -> None:
    """No bin has enough rows, so nothing can be compared either."""
    few = [Histogram((2, 1)), Histogram((3, 0))]
    assert wavering_of({"a": few}) == NOTHING_KNOWN
    assert compare(few[0], few, wavering_of({"a": few})).p_value == 1


def test_one_huge_window_among_small_ones_leaves_their_degrees() -> None:
    """Its day is the level, which three small ones waver around and share the error of: weights of 1, 1 and 4."""
    huge = Histogram(tuple(1_000_000 * count for count in normal(10_000).bins))
    assert wavering_of({"a": [huge, *[normal(100)] * 3]}).degrees == pytest.approx(6**2 / (1 + 1 + 4**2), rel=1e-3)


def test_nothing_is_known_of_days_where_no_label_has_two_windows() -> None:
    """Nor where they have no rows, or one bin: then rows are all there is."""
    one = normal(1_000)
    for baseline in ({}, {"a": [one], "b": [one]}, {"a": [one, Histogram((0,) * 22)]}, {"a": [Histogram((9,))] * 2}):
        assert wavering_of(baseline) == NOTHING_KNOWN
    assert wavering_tail(30.0, 19, NOTHING_KNOWN, 1.0) == pytest.approx(stats.chi2.sf(30, 19))


@pytest.mark.parametrize("statistic", [60.0, 120.0, 250.0])
@pytest.mark.parametrize("extra", [2.0, 8.0, 30.0])
def test_the_tail_is_that_of_rows_and_days_together(statistic: float, extra: float) -> None:
    """As numerical integration has it for a known scale of one direction: within 3 %."""

    def density(square: float) -> float:
        return float(stats.chi2.pdf(square, 18) * stats.f.sf((statistic - square) / (1 + extra), 1, 21))

    inside, _ = integrate.quad(density, 0, statistic)
    expected = inside + stats.chi2.sf(statistic, 18)
    assert wavering_tail(statistic, 19, Wavering(extra, 0.0, 21.0), 1.0) == pytest.approx(expected, rel=0.03)


@given(
    st.floats(0, 500),
    st.floats(0, 50),
    st.integers(1, 60),
    st.builds(Wavering, st.floats(-2, 50), st.floats(0, 3), st.floats(1, 200)),
)
def test_more_difference_is_less_probable(statistic: float, more: float, degrees: int, wavering: Wavering) -> None:
    """A probability, 1 for no difference, that falls with the difference and grows with what days waver."""
    found = wavering_tail(statistic, degrees, wavering, 1.0)
    assert 0 < found <= 1
    assert wavering_tail(statistic + more, degrees, wavering, 1.0) <= found
    wilder = Wavering(wavering.extra + more, wavering.error, wavering.degrees)
    assert wavering_tail(statistic, degrees, wilder, 1.0) >= found * (1 - 1e-12)
    assert wavering_tail(0.0, degrees, wavering, 1.0) == pytest.approx(1)


def test_two_bins_are_held_against_student_alone() -> None:
    """One direction: rows and days cannot be told apart, and the square root of the statistic is Student's t."""
    found = wavering_tail(27.0, 1, Wavering(2.0, 0.0, 9.0), 1.0)
    assert found == pytest.approx(2 * stats.t.sf(math.sqrt(27 / 3), 9))


@given(st.permutations(range(6)))
def test_the_order_of_windows_and_labels_changes_no_bit(order: list[int]) -> None:
    """Sums are of integers, or correctly rounded."""
    windows = drawn(np.random.default_rng(3), 5_000, np.array([0, 0.02, 0.05, -0.01, 0.3, 0.28]))
    kept = {"a": windows[:4], "b": windows[4:]}
    shuffled = [windows[place] for place in order]
    moved = {"b": [one for one in shuffled if one in kept["b"]], "a": [one for one in shuffled if one in kept["a"]]}
    assert wavering_of(moved) == wavering_of(kept)
