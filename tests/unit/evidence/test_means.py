"""Means: bad input, when there is no number, and that the number is the formula's."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import mean, variance
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.counts import Arm, Cohort
from marquee.evidence.errors import CountsError, QuestionError
from marquee.evidence.means import Insufficient, MeanEvidence, compare_means, tuning_for

CAP = 50


def arm(values: list[int], exposures: int) -> Arm:
    """Conversions with these values among so many exposures."""
    return Arm(exposures, len(values), sum(values), sum(value**2 for value in values))


def cohort(canary: list[int], stable: list[int], exposures: int = 1_000, step: int = 0) -> Cohort:
    """A cohort with even arms."""
    return Cohort(step, arm(canary, exposures), arm(stable, exposures))


def compared(*cohorts: Cohort, alpha: float = 0.05, tuning: float = 1e4, tolerated: float = 0.0) -> MeanEvidence:
    """The evidence, which must be there."""
    evidence = compare_means(cohorts, cap=CAP, tuning=tuning, alpha=alpha, tolerated=tolerated)
    assert isinstance(evidence, MeanEvidence)
    return evidence


LOW, HIGH = [10, 20, 30] * 50, [15, 25, 35] * 50


@pytest.mark.parametrize("cap", [0, -1, 2.5, True, None])
def test_a_cap_is_a_whole_amount(cap: Any) -> None:
    """Without one there is no bound on what a single customer does to a mean."""
    with pytest.raises(QuestionError, match=r"^cap: "):
        compare_means([cohort(LOW, HIGH)], cap=cap, tuning=1.0, alpha=0.05)


def test_values_above_the_cap_are_refused() -> None:
    """Somebody added before cutting: by the sum, or by the squares."""
    for values in ([60] * 150, [*[200] * 10, *[1] * 140]):
        with pytest.raises(CountsError, match=r"^cohorts\[step=0\].canary: holds values above the cap 50"):
            compare_means([cohort(values, LOW)], cap=CAP, tuning=1.0, alpha=0.05)


@pytest.mark.parametrize("tuning", [0.0, -1.0, math.nan, math.inf])
def test_a_tuning_is_positive(tuning: float) -> None:
    """And finite."""
    with pytest.raises(QuestionError, match=r"^tuning: "):
        compare_means([cohort(LOW, HIGH)], cap=CAP, tuning=tuning, alpha=0.05)


@pytest.mark.parametrize(
    "plan",
    [
        {"deviation": 0.0, "exposures": 10, "share": 0.5},
        {"deviation": 1.0, "exposures": 0, "share": 0.5},
        {"deviation": 1.0, "exposures": 10, "share": 1.0},
    ],
)
def test_a_plan_for_the_tuning_is_complete(plan: dict[str, Any]) -> None:
    """A deviation, exposures, and two arms."""
    with pytest.raises(QuestionError, match=r"^tuning: "):
        tuning_for(**plan, alpha=0.05)


@pytest.mark.parametrize(
    ("canary", "stable", "reason"),
    [
        (LOW[:99], LOW, "99 conversions of canary, 100 are needed"),
        (LOW, LOW[:99], "99 conversions of stable, 100 are needed"),
        ([], [], "0 conversions of canary"),
    ],
)
def test_few_conversions_give_no_number(canary: list[int], stable: list[int], reason: str) -> None:
    """Heavy tails would make it a false one."""
    found = compare_means([cohort(canary, stable)], cap=CAP, tuning=1.0, alpha=0.05)
    assert isinstance(found, Insufficient)
    assert found.reason.startswith(reason)


def test_without_spread_there_is_no_number() -> None:
    """One value for all, or arms that never met in a cohort."""
    same = cohort([10] * 200, [10] * 200, exposures=200)
    apart = [Cohort(0, arm(LOW, 500), Arm(0)), Cohort(1, Arm(0), arm(LOW, 500))]
    for cohorts in ([same], apart):
        found = compare_means(cohorts, cap=CAP, tuning=1.0, alpha=0.05)
        assert found == Insufficient("no cohort has different values in both arms")


def test_one_cohort_by_hand() -> None:
    """From the values themselves, with the library's mean and variance."""
    canary, stable = [*LOW, *[0] * 850], [*HIGH, *[0] * 850]
    h = 500
    drift = h * (mean(canary) - mean(stable))
    spread = h**2 * (variance(canary) / 1_000 + variance(stable) / 1_000)
    found = compared(cohort(LOW, HIGH))
    r = 1e4
    assert found.log_e == pytest.approx(0.5 * math.log(r / (spread + r)) + drift**2 / (2 * (spread + r)), rel=1e-12)
    radius = math.sqrt((spread + r) * math.log((spread + r) / (r * 0.05**2)))
    assert found.difference == pytest.approx(drift / h)
    assert (found.lower, found.upper) == pytest.approx(((drift - radius) / h, (drift + radius) / h))


def test_the_expectation_over_a_normal_drift_is_one() -> None:
    """For the formula itself: integrated over S ~ N(0, V), by the trapezoid rule; a check of E's normalisation."""
    r, spread = 1e4, 40_000.0
    total, step = 0.0, 5.0
    for drift in (step * index for index in range(-1_000, 1_001)):
        density = math.exp(-(drift**2) / (2 * spread)) / math.sqrt(2 * math.pi * spread)
        total += step * density * math.sqrt(r / (spread + r)) * math.exp(drift**2 / (2 * (spread + r)))
    assert total == pytest.approx(1, abs=1e-6)


@given(st.integers(-5, 5), st.sampled_from([0.5, 0.05, 0.001]))
@settings(max_examples=30, deadline=None)
def test_the_interval_excludes_zero_when_e_rejects(shift: int, alpha: float) -> None:
    """The two are the same statement."""
    found = compared(cohort(LOW, [value + shift for value in LOW]), alpha=alpha)
    assert (found.log_e >= -math.log(alpha)) == (found.lower >= 0 or found.upper <= 0)


def test_cohorts_are_compared_within_themselves() -> None:
    """Simpson: a better canary looks worse when means are pooled over steps of different weight and value."""
    poor_day = Cohort(0, arm([10, 12] * 400, 9_000), arm([8, 10] * 44, 1_000))
    rich_day = Cohort(1, arm([48, 50] * 50, 1_000), arm([46, 48] * 450, 9_000))
    pooled_canary = (poor_day.canary.value_sum + rich_day.canary.value_sum) / 10_000
    pooled_stable = (poor_day.stable.value_sum + rich_day.stable.value_sum) / 10_000
    assert pooled_canary < pooled_stable
    assert compared(poor_day, rich_day).difference > 0


def test_a_margin_is_a_part_of_stables_mean() -> None:
    """Asked about 90 percent of stable's mean, a canary of exactly that has no difference."""
    stable, canary = [20, 40] * 100, [18, 36] * 100
    assert compared(cohort(canary, stable), tolerated=0.1).difference == pytest.approx(0)
    assert compared(cohort(stable, stable), tolerated=0.1).difference == pytest.approx(0.1 * 30 * 200 / 1_000)


@given(
    st.lists(st.integers(0, CAP), min_size=100, max_size=120), st.lists(st.integers(0, CAP), min_size=100, max_size=120)
)
@settings(max_examples=30, deadline=None)
def test_exchanging_the_arms_changes_the_sign_alone(canary: list[int], stable: list[int]) -> None:
    """Evidence is two-sided."""
    there, back = (
        compare_means([pair], cap=CAP, tuning=100.0, alpha=0.05)
        for pair in (cohort(canary, stable), cohort(stable, canary))
    )
    if isinstance(there, MeanEvidence) and isinstance(back, MeanEvidence):
        assert back.log_e == pytest.approx(there.log_e, rel=1e-9, abs=1e-12)
        assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower), rel=1e-9, abs=1e-12)
    assert type(there) is type(back)


def test_money_beyond_doubles_is_exact() -> None:
    """Variance comes from integers: a tiny spread on top of an enormous mean does not cancel."""
    base = 10**12
    canary, stable = [base, base + 2] * 100, [base, base + 2] * 100
    exposures = len(canary)
    found = compare_means([cohort(canary, stable, exposures=exposures)], cap=base + 2, tuning=1e4, alpha=0.05)
    assert isinstance(found, MeanEvidence)
    spread = (exposures / 2) ** 2 * 2 * variance([0, 2] * 100) / exposures
    assert found.log_e == pytest.approx(0.5 * math.log(1e4 / (spread + 1e4)), rel=1e-12)


def test_the_tuning_makes_the_planned_interval_narrowest() -> None:
    """Larger or smaller, and the interval at the planned size is wider."""
    spread = 10_000 * 0.1 * 0.9 * 7.0**2
    best = tuning_for(deviation=7.0, exposures=10_000, share=0.1, alpha=0.05)

    def radius(r: float) -> float:
        return (spread + r) * math.log((spread + r) / (r * 0.05**2))

    widths = [radius(best * factor) for factor in (0.25, 0.5, 0.9, 1, 1.1, 2, 4)]
    assert min(widths) == radius(best)
    assert all(a > b for a, b in pairwise(widths[:4]))
    assert all(a < b for a, b in pairwise(widths[3:]))
