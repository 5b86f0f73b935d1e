"""Sample ratio: golden values, the exact expectation, and which steps can hide which."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.counts import Tally
from marquee.evidence.errors import CountsError, QuestionError
from marquee.evidence.sample_ratio import ALPHA, check_split, log_e_of_split
from tests.unit.evidence.builders import a_cohort


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.4), (0.0, 1.0), (1.2, -0.2), (0.5, math.nan), (0.2, 0.3, 0.5)])
def test_shares_that_do_not_add_up_are_refused(shares: tuple[float, ...]) -> None:
    """Each must be positive, their sum 1, and their number that of the groups."""
    with pytest.raises(QuestionError, match=r"^shares: "):
        log_e_of_split((10, 10), shares)


@pytest.mark.parametrize("concentration", [0, -1, math.inf, math.nan])
def test_a_concentration_is_positive(concentration: float) -> None:
    """And finite."""
    with pytest.raises(QuestionError, match=r"^concentration: "):
        log_e_of_split((10, 10), (0.5, 0.5), concentration)


def test_a_plan_without_steps_is_refused() -> None:
    """As is a step that the plan does not have: its alarm would not be paid for."""
    with pytest.raises(QuestionError, match=r"^steps: "):
        check_split([], steps=0)
    with pytest.raises(QuestionError, match=r"^steps: 1 planned, \[1\] seen"):
        check_split([a_cohort(Tally(5, 95, 0, 0), step=1, weight=5)], steps=1)
    with pytest.raises(QuestionError, match=r"^alpha: "):
        check_split([], steps=1, alpha=0)


def test_the_same_cohort_twice_is_refused() -> None:
    """Here as everywhere."""
    with pytest.raises(CountsError, match="given twice"):
        check_split([a_cohort(Tally(5, 95, 0, 0), weight=5)] * 2, steps=1)


@pytest.mark.parametrize(
    ("counts", "shares", "concentration", "golden"),
    [
        ((5_100, 4_900), (0.5, 0.5), 100, -0.329512),
        ((5_200, 4_800), (0.5, 0.5), 100, 5.613613),
        ((5_200, 4_800), (0.5, 0.5), 2, 3.621880),
        ((1_100, 18_900), (0.05, 0.95), 100, 2.367100),
    ],
)
def test_golden(counts: tuple[int, int], shares: tuple[float, float], concentration: float, golden: float) -> None:
    """The specification's values, to six decimals."""
    assert log_e_of_split(counts, shares, concentration) == pytest.approx(golden, abs=5e-7)


def test_it_is_the_product_of_predictions() -> None:
    """E is the product, over exposures, of a rational prediction over the nominal share; here exactly."""
    canary, stable = 37, 63
    exact = Fraction(1)
    for seen in range(canary):
        exact *= (20 + Fraction(seen)) / Fraction(1, 5)
    for seen in range(stable):
        exact *= (80 + Fraction(seen)) / Fraction(4, 5)
    for seen in range(canary + stable):
        exact /= 100 + seen
    assert log_e_of_split((canary, stable), (0.2, 0.8)) == pytest.approx(math.log(exact), abs=1e-10)


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("concentration", [2, 100])
def test_the_expectation_is_one(share: float, concentration: float) -> None:
    """Over every split of 14 exposures."""
    total = sum(
        math.comb(14, canary)
        * share**canary
        * (1 - share) ** (14 - canary)
        * math.exp(log_e_of_split((canary, 14 - canary), (share, 1 - share), concentration))
        for canary in range(15)
    )
    assert total == pytest.approx(1, abs=1e-9)


def test_each_next_exposure_is_a_fair_bet() -> None:
    """So it may be looked at after every one, in any number of groups."""
    shares = (0.2, 0.3, 0.5)
    for counts in ((0, 0, 0), (3, 0, 9), (40, 2, 7)):
        after = sum(
            share * math.exp(log_e_of_split([n + (group == i) for i, n in enumerate(counts)], shares))
            for group, share in enumerate(shares)
        )
        assert after == pytest.approx(math.exp(log_e_of_split(counts, shares)), rel=1e-9)


def test_a_rollout_of_several_steps_has_expectation_one() -> None:
    """Enumerated over two steps of three, with two weights."""
    total = 0.0
    for first, second in product(range(9), range(7)):
        chance = math.comb(8, first) * 0.1**first * 0.9 ** (8 - first) * math.comb(6, second) * 0.5**6
        cohorts = [
            a_cohort(Tally(first, 8 - first, 0, 0), step=0, weight=10),
            a_cohort(Tally(second, 6 - second, 0, 0), step=1, weight=50),
        ]
        total += chance * math.exp(check_split(cohorts, steps=3).log_e)
    assert total == pytest.approx(1, abs=1e-9)


def test_a_mismatch_is_found_and_named() -> None:
    """The step with the strongest evidence, and its counts."""
    good = a_cohort(Tally(1_000, 19_000, 0, 0), step=0, weight=5)
    bad = a_cohort(Tally(2_400, 17_600, 0, 0), step=1, weight=10)
    found = check_split([good, bad], steps=4)
    assert found.mismatch
    assert (found.step, found.canary, found.stable, found.weight) == (1, 2_400, 17_600, 10)


def test_good_steps_do_not_hide_a_bad_one() -> None:
    """The plan costs ln(2 steps) once; the product alone would have lost more with every good step."""
    good = [a_cohort(Tally(100_000, 100_000, 0, 0), step=step, weight=50) for step in range(3)]
    bad = a_cohort(Tally(20_600, 19_400, 0, 0), step=3, weight=50)
    alone = log_e_of_split((20_600, 19_400), (0.5, 0.5))
    among = check_split([*good, bad], steps=4)
    product_of_steps = alone + 3 * log_e_of_split((100_000, 100_000), (0.5, 0.5))
    assert product_of_steps < math.log(1000)
    assert alone - math.log(2 * 4) <= among.log_e <= alone
    assert among.mismatch


def test_a_mismatch_in_every_step_adds_up() -> None:
    """Steps that are too short to show it alone show it together: ln 2 is what that costs."""
    short = [a_cohort(Tally(288, 4_512, 0, 0), step=step, weight=5) for step in range(3)]
    alone = log_e_of_split((288, 4_512), (0.05, 0.95))
    assert alone < math.log(1000)
    together = check_split(short, steps=4)
    assert together.mismatch
    assert 3 * alone - math.log(2) <= together.log_e <= 3 * alone


def test_a_plan_of_one_step_pays_for_no_other() -> None:
    """Product and average are the same there."""
    assert check_split([a_cohort(Tally(90, 910, 0, 0), weight=5)], steps=1).log_e == pytest.approx(
        log_e_of_split((90, 910), (0.05, 0.95)), abs=1e-12
    )


def test_periods_of_a_step_are_one_split() -> None:
    """They are added up: the weight is the step's."""
    parts = [a_cohort(Tally(600, 9_400, 0, 0), weight=5, period=period) for period in range(2)]
    whole = a_cohort(Tally(1_200, 18_800, 0, 0), weight=5)
    assert check_split(parts, steps=1) == check_split([whole], steps=1)


@pytest.mark.parametrize("weight", [None, 0, 100])
def test_where_no_split_is_promised_none_is_tested(weight: int | None) -> None:
    """A replica ratio promises nothing, and a weight of 0 or 100 leaves one arm."""
    found = check_split([a_cohort(Tally(900, 100, 0, 0), weight=weight)], steps=1)
    assert (found.log_e, found.mismatch, found.step) == (0, False, None)


def test_no_exposures_are_no_mismatch() -> None:
    """E is 1 before anything was seen."""
    assert check_split([], steps=3).log_e == 0
    assert check_split([a_cohort(Tally(0, 0, 0, 0), weight=5)], steps=3).log_e == pytest.approx(0, abs=1e-12)
    assert ALPHA == 0.001


@given(st.integers(1, 99), st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_exchanging_the_groups_changes_nothing(weight: int, canary: int, stable: int) -> None:
    """Evidence of a wrong split does not know the arms' names."""
    share = weight / 100
    first = log_e_of_split((canary, stable), (share, 1 - share))
    second = log_e_of_split((stable, canary), (1 - share, share))
    assert first == pytest.approx(second, rel=1e-9, abs=1e-7)
