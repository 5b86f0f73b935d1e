"""A window against its baseline: chi-square, design effect, size of the effect."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from marquee.evidence.drift.comparing import compare, stability_index
from marquee.evidence.drift.counting import Histogram
from marquee.evidence.drift.wavering import Wavering, wavering_of
from marquee.evidence.errors import CountsError
from tests.unit.evidence.drift.feeds import normal


def test_one_window_against_another_is_the_textbook_test() -> None:
    """Without a second baseline window there is no extra variation: Pearson's test of a 2 x B table, as in scipy."""
    window, reference = Histogram((120, 250, 330, 300)), Histogram((100, 300, 350, 250))
    expected = stats.chi2_contingency([window.bins, reference.bins], correction=False)
    found = compare(window, [reference])
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert (found.design_effect, found.bins) == (1.0, 4)


def test_nothing_differs_where_nothing_can_be_compared() -> None:
    """No rows on one side, or so few that one bin is left: no evidence, and the noise says so."""
    for window, reference in [((0, 0), (5, 5)), ((5, 5), (0, 0)), ((3, 0), (2, 1))]:
        found = compare(Histogram(window), [Histogram(reference)])
        assert (found.p_value, found.stability_index, found.noise) == (1.0, 0.0, math.inf)
    with pytest.raises(CountsError, match="are none"):
        compare(Histogram((1,)), [])


def test_bins_of_few_rows_are_merged_with_their_neighbours() -> None:
    """Each keeps five expected rows on the smaller side; no row is lost."""
    found = compare(Histogram((0, 1, 99, 0, 0, 100, 3)), [Histogram((1, 0, 100, 1, 1, 99, 0))])
    assert found.bins == 2


def test_windows_that_waver_make_the_test_more_careful() -> None:
    """The design effect is the variation between alike windows over what their rows explain."""
    calm = [normal(10_000)] * 8
    restless = [normal(10_000, mean) for mean in (-0.12, -0.08, -0.04, 0.0, 0.0, 0.04, 0.08, 0.12)]
    window = normal(10_000, 0.1)
    quiet, careful = (compare(window, each, wavering_of({"mon": each})) for each in (calm, restless))
    assert quiet.design_effect == 1.0
    assert careful.design_effect > 1.3
    assert careful.p_value > 10 * quiet.p_value
    assert careful.noise > quiet.noise


def test_a_wavering_baseline_is_averaged_out_by_its_windows() -> None:
    """The more windows, the less their wavering matters: 1 + 1/W times the days' variance, over the rows' 1/n + 1/m."""
    days = Wavering(extra=0.0019, error=0.0, degrees=21.0)
    for windows in (1, 2, 16):
        found = compare(normal(10_000), [normal(10_000)] * windows, days)
        assert found.design_effect == pytest.approx(1 + 0.0019 * 10_000 / 19)
    few_rows = compare(normal(10_000), [normal(100_000), normal(100)], days)
    spread, days_in_it = 1 / 10_000 + 1 / 100_100, 1 + (100_000**2 + 100**2) / 100_100**2
    assert few_rows.design_effect == pytest.approx(1 + 0.0001 * days_in_it / spread)


@pytest.mark.parametrize("shift", [0.05, 0.1, 0.3])
def test_the_size_of_a_shift_is_its_square(shift: float) -> None:
    """A mean that moved by d standard deviations; less what chance adds, which these exact histograms do not have."""
    for rows in (20_000, 200_000):
        found = compare(normal(rows, shift), [normal(rows)] * 8)
        by_chance = 19 * (1 / rows + 1 / (8 * rows))
        assert found.stability_index == pytest.approx(shift**2 - by_chance, rel=0.15)


def test_one_wild_value_changes_nothing() -> None:
    """A value of a million is one more in the last bin."""
    quiet = compare(normal(10_000), [normal(10_000)] * 4)
    bins = normal(10_000).bins
    wild = compare(Histogram((*bins[:-1], bins[-1] + 1)), [normal(10_000)] * 4)
    assert wild.stability_index == pytest.approx(quiet.stability_index, abs=1e-4)
    assert wild.p_value > 0.99


def test_an_empty_bin_is_no_infinite_difference() -> None:
    """Half a count is added to each."""
    assert stability_index((0, 100), (50, 50)) == pytest.approx(2.6, abs=0.1)
    assert stability_index((10, 20), (10, 20)) == 0
