"""The integers of the ledger: what is refused, and how cohorts are ordered and added up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from marquee.evidence.counts import MAX_COUNT, Arm, Cohort, Count, Tally, in_order, total
from marquee.evidence.errors import CountsError
from tests.unit.evidence.builders import GOLDEN, a_cohort, ledgers

BAD_ARMS: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"exposures": -1}, "exposures: -1 is negative"),
    "a float": ({"exposures": 10.0}, "exposures: 10.0 is no integer"),
    "not a number": ({"exposures": float("nan")}, "exposures: nan is no integer"),
    "a truth value": ({"exposures": True}, "exposures: True is no integer"),
    "a text": ({"exposures": "10"}, "exposures: '10' is no integer"),
    "missing": ({"exposures": None}, "exposures: None is no integer"),
    "beyond doubles": ({"exposures": MAX_COUNT + 1}, "is above 2**53"),
    "more successes than exposures": ({"exposures": 3, "successes": 4}, "successes: 4 of 3 exposures"),
    "more errors than exposures": ({"exposures": 3, "errors": 4}, "errors: 4 of 3 exposures"),
    "more slow answers than exposures": ({"exposures": 3, "slow": 4}, "slow: 4 of 3 exposures"),
    "a value without a success": ({"exposures": 3, "value_sum": 5, "value_squares": 25}, "no sum of squares"),
    "squares too small for the sum": (
        {"exposures": 3, "successes": 2, "value_sum": 10, "value_squares": 49},
        "no sum of squares",
    ),
    "squares without values": ({"exposures": 3, "value_squares": -1}, "value_squares: -1 is negative"),
}


@pytest.mark.parametrize("name", BAD_ARMS)
def test_an_arm_that_no_ledger_can_have_kept_is_refused(name: str) -> None:
    """The message says what is wrong and where."""
    counts, message = BAD_ARMS[name]
    with pytest.raises(CountsError) as caught:
        Arm(**counts)
    assert message in str(caught.value)
    assert str(caught.value).count("; ") >= 1


def test_a_cohort_without_one_arm_is_refused() -> None:
    """An arm that nobody saw is zeros, never absent."""
    nothing: Any = None
    with pytest.raises(CountsError, match=r"^stable: is missing"):
        Cohort(0, Arm(1), nothing)


@pytest.mark.parametrize(("weight", "message"), [(101, "more than 100"), (-1, "negative"), (2.5, "no integer")])
def test_a_weight_is_a_whole_percentage(weight: Any, message: str) -> None:
    """Anything else is refused with the field's name."""
    with pytest.raises(CountsError, match=rf"^weight: .*{message}"):
        Cohort(0, Arm(1), Arm(1), weight)


def test_outcomes_without_exposures_are_refused() -> None:
    """A tally has at most one outcome for an exposure, in each arm."""
    with pytest.raises(CountsError, match="more outcomes than exposures"):
        Tally(5, 5, 6, 0)
    with pytest.raises(CountsError, match="more outcomes than exposures"):
        Tally(5, 5, 0, 6)


def test_a_cohort_given_twice_is_refused() -> None:
    """Counting it twice would double its evidence."""
    cohort = a_cohort(GOLDEN[0])
    with pytest.raises(CountsError, match="given twice"):
        in_order([cohort, cohort])


def test_a_step_has_one_weight() -> None:
    """A weight that changes begins a new step."""
    with pytest.raises(CountsError, match="weights 5 and 10"):
        in_order([a_cohort(GOLDEN[0], weight=5), a_cohort(GOLDEN[0], weight=10, period=1)])


def test_the_largest_count_that_a_double_holds_is_taken() -> None:
    """2**53 is exact; sums of values may be larger, they are only divided."""
    assert Arm(MAX_COUNT).exposures == 2**53
    assert Arm(1, 1, MAX_COUNT * 4, (MAX_COUNT * 4) ** 2).value_sum == 2**55


def test_cohorts_have_one_order() -> None:
    """By step, then period, however they are given."""
    cohorts = [a_cohort(GOLDEN[0], step=step, period=period) for step, period in ((1, 0), (0, 1), (0, 0))]
    assert [(cohort.step, cohort.period) for cohort in in_order(cohorts)] == [(0, 0), (0, 1), (1, 0)]


def test_each_count_is_read_from_its_field() -> None:
    """Successes, errors and slow answers do not get mixed up."""
    cohort = Cohort(0, Arm(10, 1, 7, 49, 2, 3), Arm(20, 4, 8, 16, 5, 6))
    assert cohort.tally(Count.SUCCESSES) == Tally(10, 20, 1, 4)
    assert cohort.tally(Count.ERRORS) == Tally(10, 20, 2, 5)
    assert cohort.tally(Count.SLOW) == Tally(10, 20, 3, 6)


def test_the_share_of_nothing_is_nothing() -> None:
    """An empty cohort divides by no zero, and compares nothing."""
    assert Tally(0, 0, 0, 0).share == 0
    assert not Tally(0, 5, 0, 1).compares
    assert not Tally(5, 0, 1, 0).compares


@given(ledgers)
@settings(max_examples=50, deadline=None)
def test_totals_add_up(ledger: list[Tally]) -> None:
    """Adding and taking away are inverse, exactly."""
    everything = total(ledger)
    assert everything - ledger[0] == total(ledger[1:])
    assert everything.outcomes == sum(tally.canary + tally.stable for tally in ledger)
