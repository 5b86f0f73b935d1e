"""Reference profiles: edges that can be counted over for years."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.manifest import CategoryField, NumberField
from marquee.evidence.drift.performing import ScoreBin, estimated, performance
from models.profile import (
    BINS,
    MOST_FREQUENT,
    SCORE_BINS,
    SCORE_HALVINGS,
    numeric_profile,
    profile_of,
    score_profile,
)


def counted(edges: tuple[float, ...], values: np.ndarray) -> tuple[int, ...]:
    counts = [0] * (len(edges) + 1)
    for value in values.tolist():
        counts[bisect_right(edges, value)] += 1
    return tuple(counts)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_counting_the_training_data_again_gives_the_counts(values: list[float]) -> None:
    """The profile's counts are what `bisect_right` counts; nothing lies outside of the range seen."""
    column = np.array(values)
    profile = numeric_profile(column)
    assert profile.counts == counted(profile.edges, column)
    assert profile.counts[0] == profile.counts[-1] == 0


def test_continuous_values_fall_into_twenty_equal_bins() -> None:
    """Between the smallest and the largest value there are 20 bins of a twentieth each."""
    profile = numeric_profile(np.random.default_rng(0).normal(size=10_000))
    inner = profile.counts[1:-1]
    assert len(inner) == BINS
    assert max(inner) - min(inner) <= 2


def test_values_outside_of_the_range_seen_have_their_own_bins() -> None:
    """A corrupt value raises the first or last count and no other."""
    column = np.linspace(0, 1, 1_000)
    profile = numeric_profile(column)
    later = counted(profile.edges, np.append(column, [-1e6, 1e6, 1e6]))
    assert later[0] == 1
    assert later[-1] == 2
    assert later[1:-1] == profile.counts[1:-1]


def test_an_atom_has_its_own_bin() -> None:
    """Half of the values exactly 0 are one bin, and a value a little above is in the next."""
    column = np.concatenate([np.zeros(1_000), np.random.default_rng(1).uniform(1, 2, 1_000)])
    profile = numeric_profile(column)
    assert profile.counts[bisect_right(profile.edges, 0.0)] == 1_000
    assert bisect_right(profile.edges, 1.01) > bisect_right(profile.edges, 0.0)


def test_small_integers_have_a_bin_each() -> None:
    """Classes 0 to 9 are ten bins."""
    column = np.repeat(np.arange(10.0), 100)
    assert numeric_profile(column).counts == (0, *[100] * 10, 0)


def test_missing_values_are_counted_apart() -> None:
    """NaN is in no bin; a column of nothing else still has an edge."""
    assert numeric_profile(np.array([1.0, np.nan, 2.0])).missing == 1
    empty = numeric_profile(np.full(5, np.nan))
    assert empty.missing == 5
    assert sum(empty.counts) == 0


def test_constant_columns_have_a_profile() -> None:
    """One value is one bin."""
    assert numeric_profile(np.full(7, 3.0)).counts == (0, 7, 0)


def test_categories_keep_the_fifty_most_frequent() -> None:
    """The rest is counted as other, and null as missing."""
    field = CategoryField(name="city", categories=tuple(f"c{i}" for i in range(60)), nullable=True)
    indexes = np.concatenate([np.repeat(np.arange(60.0), np.arange(60, 0, -1)), [np.nan]])
    profile = profile_of([field, NumberField(name="x")], np.column_stack([indexes, indexes]), indexes[:-1])
    city = profile.features["city"]
    assert city.kind == "category"
    assert len(city.counts) == MOST_FREQUENT
    assert city.counts["c0"] == 60
    assert city.other == sum(range(1, 11))
    assert city.missing == 1
    assert profile.rows == len(indexes)
    assert profile.score is not None


def test_scores_fall_into_a_hundred_percentiles_with_their_means() -> None:
    """The widest are halved; each bin's mean lies within it, and ends have those of the range."""
    scores = np.random.default_rng(2).beta(2, 20, size=20_000)
    profile = score_profile(scores)
    inner = profile.counts[1:-1]
    assert len(inner) == SCORE_BINS + SCORE_HALVINGS
    assert max(inner) <= len(scores) / SCORE_BINS + 1
    assert set(np.quantile(scores, [0.01, 0.5, 0.99], method="inverted_cdf")) <= set(profile.edges)
    for low, mean, high in zip(profile.edges[:-1], profile.means[1:-1], profile.edges[1:], strict=True):
        assert low <= mean <= high
    assert (profile.means[0], profile.means[-1]) == (scores.min(), scores.max())


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 1.0])
def test_bins_estimate_as_scores_do_after_a_shift(shift: float) -> None:
    """Area under the curve that each single score promises, where many lie beyond the reference's percentiles."""
    random = np.random.default_rng(3)
    reference, later = (1 / (1 + np.exp(-random.normal(mean, 1, 50_000))) for mean in (-1.0, shift - 1))
    profile = score_profile(reference)
    binned = performance(estimated(profile.means, counted(profile.edges, later))).auc
    exactly = performance([ScoreBin(score, 1 - score, score) for score in sorted(later.tolist())]).auc
    assert binned == pytest.approx(exactly, abs=1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_any_scores_have_a_profile(scores: list[float]) -> None:
    """Ties, one value, ends of the range: the counts are those of `bisect_right`, the means stay probabilities."""
    column = np.array(scores)
    profile = score_profile(column)
    assert profile.counts == counted(profile.edges, column)
    assert all(0 <= mean <= 1 for mean in profile.means)
