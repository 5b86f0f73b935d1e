"""The benchmark's own parts: its runs are what the model says, and its arrays say what the package says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from marquee.evidence.counts import Arm, Cohort, Count
from marquee.evidence.mixture import weigh
from marquee.evidence.sample_ratio import check_split
from tests.bench.canary.grid import BASE_RATE, NULL, RATIOS, WEIGHTS, Group, groups
from tests.bench.canary.measuring import HARM, SAFE, measure
from tests.bench.canary.replaying import largest_differences, verdicts_without_data
from tests.bench.canary.rules import Threshold
from tests.bench.canary.simulating import Ledger, simulate
from tests.bench.canary.times import Times
from tests.bench.canary.weighing import Weigher, log_e_of_splits

RUNS = 6
GROUP = Group("step", 20_000, 60, 1.2)
RULES = {20_000: Threshold(5, 3, 0.6)}


def cohorts_of(ledger: Ledger, row: int, run: int) -> tuple[Cohort, ...]:
    """One run as the package takes it."""
    return tuple(
        Cohort(
            step,
            Arm(int(ledger.canary_exposures[step, 0, run]), int(ledger.canary[step, row, run])),
            Arm(int(ledger.stable_exposures[step, 0, run]), int(ledger.stable[step, 0, run])),
            weight,
        )
        for step, weight in enumerate(WEIGHTS)
    )


def log_e(weigher: Weigher, cohorts: tuple[Cohort, ...]) -> float:
    """By the package."""
    return weigh(weigher.question, (cohort.tally(Count.SUCCESSES) for cohort in cohorts)).log_e


def test_the_grid_is_that_of_the_specification() -> None:
    """3 x 3 x 3 x 3 groups of six effects each."""
    assert len(set(groups())) * len(RATIOS) == 486
    assert sum(group.plain for group in groups()) == 3


@pytest.mark.parametrize("share_factor", [0.8, 1.2])
def test_outcomes_are_binomial_given_the_exposures(share_factor: float) -> None:
    """For each effect alone, mean and variance, and independent of how many exposures there were."""
    group = Group("flat", 2_000, 0, share_factor)
    *_, (ledger, _) = simulate(group, 4_000, 20, np.random.default_rng(11))
    exposures = ledger.canary_exposures[0, 0]
    assert exposures.mean() == pytest.approx(20 * 2_000 * 0.05 * share_factor, rel=0.005)
    assert exposures.var() == pytest.approx(exposures.mean(), rel=0.1)
    for row, ratio in enumerate(RATIOS):
        rate = BASE_RATE * ratio
        standard = (ledger.canary[0, row] - exposures * rate) / np.sqrt(exposures * rate * (1 - rate))
        assert standard.mean() == pytest.approx(0, abs=0.07)
        assert standard.var() == pytest.approx(1, rel=0.1)
        assert np.corrcoef(standard, exposures)[0, 1] == pytest.approx(0, abs=0.07)


def test_late_outcomes_are_credited_to_the_step_of_their_exposure() -> None:
    """The first step's conversions go on growing for hours after its exposures have ended."""
    looks = [
        (int(ledger.canary_exposures[0].sum()), int(ledger.canary[0, NULL].sum()))
        for ledger, _ in simulate(Group("flat", 2_000, 60, 1.0), 200, 240, np.random.default_rng(5))
    ]
    (exposed, early), (still, late) = looks[29], looks[-1]
    assert exposed == still
    assert early / exposed < BASE_RATE / 4
    assert late / exposed == pytest.approx(BASE_RATE, rel=0.05)


def test_outcomes_are_reported_once_each() -> None:
    """Arrivals add up to the ledger, and no unit converts twice."""
    looks = list(simulate(GROUP, RUNS, 70, np.random.default_rng(5)))
    ledger, _ = looks[-1]
    assert (ledger.canary.sum(axis=0) == sum(minute.canary for _, minute in looks)).all()
    assert (ledger.canary_exposures.sum(axis=0) == sum(minute.canary_exposures for _, minute in looks)).all()
    assert (ledger.canary <= ledger.canary_exposures).all()
    assert ledger.canary_exposures[0].sum() > 0
    assert ledger.canary_exposures[3].sum() == 0


@pytest.mark.parametrize("weigher", [HARM, SAFE], ids=["harm", "non-inferiority"])
def test_the_screen_hides_no_verdict(weigher: Weigher) -> None:
    """At every look of every run, arrays and package agree on whether 1/alpha is reached, where anybody asks."""
    reached = 0
    wanted = np.ones((len(RATIOS), RUNS), dtype=bool)
    wanted[1] = False
    for minute, (ledger, _) in enumerate(simulate(GROUP, RUNS, 80, np.random.default_rng(7))):
        if minute % 8:
            continue
        found = weigher.reached(ledger, wanted)
        for row, run in np.ndindex(found.shape):
            enough = log_e(weigher, cohorts_of(ledger, row, run)) >= -math.log(weigher.alpha)
            assert found[row, run] == (enough and row != 1)
        reached += int(found.sum())
    assert reached > 0


@pytest.mark.parametrize("per_minute", [200, 20_000])
@pytest.mark.parametrize("weigher", [HARM, SAFE], ids=["harm", "non-inferiority"])
def test_arrays_are_the_package(weigher: Weigher, per_minute: int) -> None:
    """The same ln E to 1e-9, from nothing seen to millions of exposures."""
    rows, runs = map(np.ravel, np.indices((len(RATIOS), 2)))
    for minute, (ledger, _) in enumerate(
        simulate(Group("diurnal", per_minute, 60, 0.8), 2, 120, np.random.default_rng(2))
    ):
        if minute % 17 == 0:
            expected = [log_e(weigher, cohorts_of(ledger, row, run)) for row, run in np.ndindex(len(RATIOS), 2)]
            assert weigher.log_e(ledger, rows, runs) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("share_factor", [1.0, 1.2])
def test_splits_are_those_of_the_package(share_factor: float) -> None:
    """To the rounding of factorials of a hundred thousand exposures."""
    *_, (ledger, _) = simulate(Group("flat", 2_000, 0, share_factor), 3, 100, np.random.default_rng(3))
    expected = [check_split(cohorts_of(ledger, 0, run), steps=len(WEIGHTS)).log_e for run in range(3)]
    assert log_e_of_splits(ledger) == pytest.approx(expected, abs=1e-7)


def test_a_group_is_measured_and_replayed() -> None:
    """A loss of half is found, the wrong split too, and sampled runs replay to the same evidence."""
    result = measure(GROUP, runs=40, minutes=60, seed=1, thresholds=RULES)
    assert result.rolled_back[RATIOS.index(0.5)] == 1
    assert result.rolled_back[NULL] < 0.3
    assert result.alarmed == 1
    for seldom, often in zip(result.rolled_back_random, result.rolled_back, strict=True):
        assert seldom <= often
    for order in result.alarms_first:
        assert order.promotions_after_alarm <= order.promotions <= order.verdicts <= 40
    differences = largest_differences(result.samples)
    assert differences.vectorised < 1e-9
    assert differences.replayed < 1e-9
    assert differences.split < 1e-6


def test_a_seed_repeats_a_measurement() -> None:
    """Bit for bit."""
    first, second = (measure(GROUP, runs=5, minutes=10, seed=1, thresholds=RULES) for _ in range(2))
    assert first == second


def test_there_are_no_verdicts_without_data() -> None:
    """As the suite reports."""
    assert verdicts_without_data() == 0


def test_the_first_time_counts() -> None:
    """What held once is closed; what never held is infinite and has no median."""
    times = Times(2, 3)
    times.note(np.array([[True, False, False], [False, False, False]]), 4)
    times.note(np.array([[True, True, False], [False, False, False]]), 9)
    assert times.first.tolist() == [[4, 9, math.inf], [math.inf] * 3]
    assert times.fractions() == pytest.approx((2 / 3, 0))
    assert times.medians() == (9, math.inf)
