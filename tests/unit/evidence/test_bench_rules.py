"""The rules of other controllers do what their documentation says, and the threshold rule is tuned to its promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.bench.canary.grid import LOSSES, NULL, RATIOS, Group
from tests.bench.canary.measuring import measure
from tests.bench.canary.rules import Streak, Strikes, Window, argo, flagger
from tests.bench.canary.simulating import Minute
from tests.bench.canary.tuning import STRIKES, WINDOWS_MINUTES, tune
from tests.bench.canary.weighing import Floats


def minute_of(canary: int, stable: int, exposures: int = 1_000) -> Minute:
    """The same in every ratio of one run."""
    shape = (len(RATIOS), 1)
    even = np.full((1, 1), exposures)
    return Minute(even, even, np.full(shape, canary), np.full((1, 1), stable))


def ratio_of(value: float) -> Floats:
    """The same in every ratio of one run."""
    return np.full((len(RATIOS), 1), value)


def strike(rule: Strikes, checks: list[float]) -> list[bool]:
    """Whether the run is out after each minute."""
    out = []
    for minute, value in enumerate(checks, start=1):
        rule.see(minute, ratio_of(value))
        out.append(bool(rule.out.all()))
    return out


def test_a_window_compares_its_own_minutes_alone() -> None:
    """Nothing is said until it is full; then the oldest minute falls out."""
    window = Window(3)
    ratios = [window.see(minute) for minute in (minute_of(90, 30), *[minute_of(20, 40)] * 3)]
    assert ratios[:2] == [None, None]
    assert ratios[2] is not None
    assert ratios[2][0, 0] == pytest.approx(130 / 110)
    assert ratios[3] is not None
    assert ratios[3][0, 0] == 0.5


@pytest.mark.parametrize("exposures", [0, 1_000])
def test_nothing_in_a_window_fails_no_check(exposures: int) -> None:
    """The comparison is generous to these rules: neither without exposures nor without outcomes."""
    ratio = Window(1).see(minute_of(0, 0, exposures))
    assert ratio is not None
    assert (ratio == 1).all()


def test_outcomes_of_the_canary_alone_are_no_failure() -> None:
    """An infinite ratio is above every limit."""
    ratio = Window(1).see(minute_of(3, 0))
    assert ratio is not None
    assert np.isinf(ratio).all()


def test_a_streak_wants_low_windows_in_a_row() -> None:
    """Its statistic is the largest of the last ratios: one good look starts it again."""
    streak = Streak(3)
    seen = [streak.see(ratio_of(value)) for value in (0.5, 0.6, 0.4, 0.9, 0.4, 0.4, 0.3)]
    assert seen[:2] == [None, None]
    assert [float(statistic[0, 0]) for statistic in seen[2:] if statistic is not None] == [0.6, 0.9, 0.9, 0.9, 0.4]
    assert Streak(1).see(None) is None


def test_argo_allows_three_failures() -> None:
    """Measured every five minutes: the fourth failure comes in the twentieth."""
    assert strike(argo(1), [0.7] * 20) == [False] * 19 + [True]


def test_argos_failures_add_up() -> None:
    """A measurement that succeeds in between takes none of them back."""
    assert strike(argo(1), [0.7] * 15 + [1.0] * 60 + [0.7] * 5)[-1]


def test_flagger_gives_up_at_the_tenth_failed_check() -> None:
    """Checks that pass in between take none of them back."""
    assert strike(flagger(1), [0.7] * 9 + [1.2] * 30 + [0.79]) == [False] * 39 + [True]


def test_the_limit_itself_passes() -> None:
    """Both conditions fail below 0.8."""
    for rule in (argo(1), flagger(1)):
        assert not any(strike(rule, [0.8] * 100))


def test_a_check_waits_for_a_full_window() -> None:
    """Where there is no ratio yet, nothing fails."""
    rule = flagger(1)
    rule.see(1, None)
    assert rule.failed.sum() == 0


def test_tuned_rules_err_as_promised_on_flat_traffic() -> None:
    """Five percent of equal versions, on fresh runs, and the best of them is the first."""
    tuned = tune(2_000, runs=400, minutes=125)
    assert {(each.rule.window_minutes, each.rule.strikes) for each in tuned} == {
        (window, strikes) for window in WINDOWS_MINUTES for strikes in STRIKES
    }
    assert tuned[0].mean_minutes == min(each.mean_minutes for each in tuned)
    best = tuned[0]
    result = measure(Group("flat", 2_000, 0, 1.0), runs=400, minutes=125, seed=9, thresholds={2_000: best.rule})
    assert result.threshold[NULL] == pytest.approx(0.05, abs=0.045)
    assert all(0 < best.rule.below < 1 and minutes > best.rule.strikes for minutes in best.medians.values())
    assert list(best.medians) == list(LOSSES)


def test_a_rule_that_never_fires_has_no_median() -> None:
    """With a window longer than the rollout there is nothing to compare."""
    tuned = tune(200, runs=20, minutes=30)
    slow = [each for each in tuned if each.rule.window_minutes > 30]
    assert slow
    assert all(minutes == math.inf for each in slow for minutes in each.medians.values())
    assert all(each.mean_minutes == 30 for each in slow)
