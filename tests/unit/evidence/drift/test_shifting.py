"""Shifts of a mean in standard deviations, and shifts that add up."""

from __future__ import annotations

import math
import random
from itertools import combinations
from statistics import fmean

import pytest

from marquee.evidence.drift.accumulating import Detector, log_sum_of
from marquee.evidence.drift.counting import Histogram
from marquee.evidence.drift.settings import DriftSettings
from marquee.evidence.drift.shifting import Shift, level_of, normal_scores
from marquee.evidence.errors import QuestionError
from tests.unit.evidence.drift.feeds import normal


@pytest.mark.parametrize("shift", [-0.3, -0.05, 0.0, 0.05, 0.3])
def test_a_shift_is_told_in_standard_deviations(shift: float) -> None:
    """Whatever the feature's scale, since only quantiles are known; a little less where the last bin is wide."""
    level = level_of({"mon": [normal(100_000, mean) for mean in (-0.02, 0.0, 0.02)]})
    assert level is not None
    found = level.shift_of(normal(100_000, shift), "mon")
    assert found is not None
    assert found.size == pytest.approx(shift, rel=0.05, abs=1e-3)
    assert math.copysign(1, found.normal) == math.copysign(1, shift) or shift == 0


def test_scores_have_mean_zero_and_almost_unit_variance() -> None:
    """Twenty bins lose two percent of a standard normal variable's variance."""
    counts = normal(1_000_000).bins
    scores = normal_scores(counts)
    rows = sum(counts)
    assert sum(s * c for s, c in zip(scores, counts, strict=True)) / rows == pytest.approx(0, abs=1e-12)
    assert sum(s * s * c for s, c in zip(scores, counts, strict=True)) / rows == pytest.approx(0.98, abs=0.01)
    assert list(scores) == sorted(scores)


def test_bins_that_the_baseline_never_saw_score_like_their_neighbours() -> None:
    """Beyond the first and the last bin with rows, as these; between two, the quantile where they lie."""
    scores = normal_scores((0, 50, 0, 50, 0))
    assert scores[0] == scores[1] == -scores[3] == -scores[4]
    assert scores[2] == 0
    assert normal_scores((0, 0)) == (0.0, 0.0)


def test_a_level_needs_two_windows_of_a_label() -> None:
    """What one window says about wavering is nothing."""
    assert level_of({"mon": [normal(100)], "tue": [normal(100)]}) is None
    assert level_of({}) is None
    level = level_of({"mon": [normal(100), normal(100, 0.1)], "tue": [normal(100)]})
    assert level is not None
    assert level.shift_of(normal(100), "tue") is not None
    assert level.shift_of(normal(100), "sun") is None
    assert level.shift_of(Histogram((0,) * 22), "mon") is None


def test_a_window_of_few_rows_wavers_more() -> None:
    """Its deviation grows by what its rows lack."""
    level = level_of({"mon": [normal(10_000, mean) for mean in (-0.02, 0.0, 0.02)]})
    assert level is not None
    few, many = level.shift_of(normal(100, 0.2), "mon"), level.shift_of(normal(10_000, 0.2), "mon")
    assert few is not None
    assert many is not None
    assert few.deviation > 4 * many.deviation


def test_the_level_learns_each_window_as_if_it_had_been_of_the_baseline() -> None:
    """Whatever the order: the mean of the label and the pooled deviation of all; other labels keep their mean."""
    baseline = {"mon": [-0.02, 0.0, 0.03], "sun": [0.3, 0.33]}
    level = level_of({label: [normal(10_000, mean) for mean in found] for label, found in baseline.items()})
    assert level is not None
    later = [("mon", 0.05), ("sun", 0.31), ("mon", -0.04)]
    learnt = level
    for label, mean in later:
        learnt = learnt.after(label, learnt.shift_of(normal(10_000, mean), label))
    everything = {label: list(found) for label, found in baseline.items()}
    for label, mean in later:
        everything[label].append(mean)
    means = {label: [seen(level.scores, mean) for mean in found] for label, found in everything.items()}
    squares = sum((one - fmean(found)) ** 2 for found in means.values() for one in found)
    assert learnt.windows == {"mon": 5, "sun": 3}
    assert learnt.degrees == 6
    assert learnt.means == pytest.approx({label: fmean(found) for label, found in means.items()})
    assert learnt.variance == pytest.approx(squares / 6)
    assert learnt.after("sat", learnt.shift_of(normal(10_000), "sat")) == learnt


def test_a_window_of_few_rows_teaches_little() -> None:
    """It counts as the part of a window that its precision is."""
    level = level_of({"mon": [normal(100_000, mean) for mean in (-0.02, 0.0, 0.02)]})
    assert level is not None
    learnt = level.after("mon", level.shift_of(normal(100, 0.5), "mon"))
    assert learnt.windows["mon"] == pytest.approx(3.04, abs=0.01)
    assert abs(learnt.means["mon"] - level.means["mon"]) < 0.01


def test_without_drift_shifts_are_independent_of_those_before() -> None:
    """Three windows of baseline; held against that mean alone, the shifts would have a common part of a fourth."""
    chance, runs, later = random.Random(2), 400, 6
    products, squares = [], []
    for _ in range(runs):
        level = level_of({"mon": [normal(10_000, chance.gauss(0, 0.02)) for _ in range(3)]})
        assert level is not None
        found = []
        for _ in range(later):
            shift = level.shift_of(normal(10_000, chance.gauss(0, 0.02)), "mon")
            assert shift is not None
            found.append(shift.normal)
            level = level.after("mon", shift)
        products.append(fmean(one * other for one, other in combinations(found, 2)))
        squares.append(fmean(one * one for one in found))
    assert fmean(products) == pytest.approx(0, abs=0.06)
    assert fmean(squares) == pytest.approx(1, abs=0.12)


def test_small_shifts_add_up_and_their_absence_does_not() -> None:
    """Two deviations a window reach the bound within a week or so; none stay below it for as long as it says."""
    settings = DriftSettings()
    bound = math.log(settings.windows_to_false_alarm)
    detector, windows = Detector.new(settings.shifts), 0
    while detector.log_sum < bound:
        detector, windows = detector.after(Shift(0.05, 0.025, 2.0)), windows + 1
    assert windows <= 8
    quiet = Detector.new(settings.shifts)
    for _ in range(1_000):
        quiet = quiet.after(Shift(0.0, 0.025, 0.0))
    assert quiet.log_sum < 1


def test_the_expected_sum_grows_by_one_a_window() -> None:
    """E[S] = T is what bounds false alarms: the average over many runs comes close (a heavy tail keeps it below)."""
    chance, runs, windows = random.Random(1), 4_000, 5
    total = 0.0
    for _ in range(runs):
        detector = Detector.new((0.02,))
        for _ in range(windows):
            detector = detector.after(Shift(0.0, 0.02, chance.gauss(0, 1)))
        total += math.exp(detector.log_sum)
    assert total / runs == pytest.approx(windows, rel=0.1)


def test_features_share_one_bound() -> None:
    """The average over features: one of sixty has to show sixty times as much."""
    loud, quiet = Detector((0.1,), (5.0, 5.0)), Detector((0.1,), (-math.inf, -math.inf))
    assert log_sum_of([loud]) == pytest.approx(5.0)
    assert log_sum_of([loud] + [quiet] * 59) == pytest.approx(5.0 - math.log(60))
    assert log_sum_of([]) == -math.inf
    assert loud.after(None) == loud


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"shifts": ()}, "shifts"),
        ({"shifts": (0.1, 0.0)}, "shifts"),
        ({"windows_to_false_alarm": 0.5}, "windows_to_false_alarm"),
        ({"confirmations": 0}, "confirmations"),
        ({"retrain_alpha": 1.5}, "retrain_alpha"),
        ({"discovery_rate": 0}, "discovery_rate"),
    ],
)
def test_settings_that_ask_nothing_are_refused(given: dict[str, float], path: str) -> None:
    """With the field and a number that would do."""
    with pytest.raises(QuestionError, match=f"^{path}: "):
        DriftSettings(**given)  # type: ignore[arg-type]


def seen(scores: tuple[float, ...], mean: float) -> float:
    """The mean score of a window."""
    counts = normal(10_000, mean).bins
    return sum(score * count for score, count in zip(scores, counts, strict=True)) / sum(counts)
