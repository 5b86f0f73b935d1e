"""Who goes to the canary: intervals on the circle of buckets, and the expressions by which a gateway knows them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.assignment import BUCKETS, bucket_header, unit_hash
from marquee.control.render.buckets import EVERY_BUCKET, Interval, canary_buckets, holdout_buckets, pattern

RE2_SUBSET = re.compile(r"\^(\(\?:)?([0-9]|\[[0-9]-[0-9]\](\{[23]\})?|\|)+\)?\$")
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True)
HOLDOUTS = range(51)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    """Any interval with a bucket in it."""
    floor = draw(st.integers(0, BUCKETS - 1))
    return Interval(draw(st.integers(floor, BUCKETS - 1)), draw(st.integers(1, BUCKETS - floor)), floor)


def weights_with(holdout_percent: int) -> list[int]:
    """The weights that the CRD's rule allows."""
    return [weight for weight in range(1, 100) if weight * (100 - holdout_percent) % 10 == 0]


def matched(expression: str) -> set[int]:
    compiled = re.compile(expression, re.ASCII)
    return {bucket for bucket in range(BUCKETS) if compiled.fullmatch(f"{bucket:03d}")}


@given(intervals())
def test_an_expression_matches_exactly_its_buckets(interval: Interval) -> None:
    """Wherever an interval starts and wraps; in words that every regular expression engine has, and few of them."""
    expression = pattern(interval)
    assert matched(expression) == set(interval)
    assert RE2_SUBSET.fullmatch(expression)
    assert len(expression) < 100


@given(st.integers(0, BUCKETS - 1), st.integers(0, BUCKETS - 1))
def test_runs_of_every_length_are_matched(first: int, last: int) -> None:
    """Including those of one bucket, one decade and one hundred."""
    first, last = min(first, last), max(first, last)
    assert matched(pattern(Interval(first, last - first + 1))) == set(range(first, last + 1))


@given(intervals(), st.text("0123456789", max_size=5))
def test_only_three_digits_are_a_bucket(interval: Interval, text: str) -> None:
    """A shorter or longer number is no bucket, also where an engine searches instead of matching the whole value."""
    found = re.search(pattern(interval), text)
    assert (found is not None) == (len(text) == 3 and int(text) in interval)


@pytest.mark.parametrize(
    ("interval", "expression"),
    [
        (EVERY_BUCKET, "^[0-9]{3}$"),
        (Interval(7, 1), "^007$"),
        (Interval(0, 100), "^0[0-9]{2}$"),
        (Interval(120, 30), "^1[2-4][0-9]$"),
        (Interval(123, 334), "^(?:12[3-9]|1[3-9][0-9]|[2-3][0-9]{2}|4[0-4][0-9]|45[0-6])$"),
        (Interval(990, 30, 100), "^(?:99[0-9]|1[0-1][0-9])$"),
    ],
)
def test_expressions_read_well(interval: Interval, expression: str) -> None:
    """A person who looks at the route sees the interval."""
    assert pattern(interval) == expression


def test_nothing_has_no_expression() -> None:
    """An empty interval is refused, since every expression matches something."""
    with pytest.raises(ValueError, match="empty interval"):
        pattern(holdout_buckets(0))


@pytest.mark.parametrize("holdout_percent", HOLDOUTS)
def test_a_canary_takes_its_share_of_the_others(holdout_percent: int) -> None:
    """Every weight that the CRD allows is a whole number of buckets, all of them outside of the holdout."""
    holdout = holdout_buckets(holdout_percent)
    assert set(holdout) == set(range(10 * holdout_percent))
    for weight in weights_with(holdout_percent):
        canary = canary_buckets("lead-v2", weight, holdout_percent)
        taken = set(canary)
        assert len(taken) == len(canary)
        assert len(canary) * 100 == weight * (BUCKETS - len(holdout))
        assert not taken & set(holdout)
        assert {bucket for bucket in range(BUCKETS) if bucket in canary} == taken


@given(NAMES, st.sampled_from(HOLDOUTS), st.data())
def test_a_ramp_keeps_every_earlier_bucket(rollout: str, holdout_percent: int, data: st.DataObject) -> None:
    """Nobody who has seen the canary goes back to stable while the weight rises: a step only adds behind."""
    allowed = st.sampled_from(weights_with(holdout_percent))
    lower, higher = sorted(data.draw(st.lists(allowed, min_size=2, max_size=2, unique=True)))
    earlier, later = (list(canary_buckets(rollout, weight, holdout_percent)) for weight in (lower, higher))
    assert len(earlier) < len(later)
    assert later[: len(earlier)] == earlier


def test_other_units_go_first_in_another_rollout() -> None:
    """Over many rollouts each bucket is about equally often in the first 10 percent, and never one of the holdout."""
    counts = dict.fromkeys(range(BUCKETS), 0)
    for number in range(2_000):
        for bucket in canary_buckets(f"lead-{number}", 10, 20):
            counts[bucket] += 1
    assert {counts[bucket] for bucket in range(200)} == {0}
    # 200 expected, deviation 13: of 800 dependent counts none is beyond six of them
    assert all(120 < counts[bucket] < 280 for bucket in range(200, BUCKETS))


def test_the_interval_of_a_rollout_never_changes() -> None:
    """Golden: another answer would split the users of running rollouts anew."""
    assert canary_buckets("lead-v2", 5, 0) == Interval(80, 50)
    assert canary_buckets("lead-v2", 5, 20) == Interval(480, 40, 200)


def test_units_find_their_arm_by_the_header() -> None:
    """What clients send is what the expression decides on: of many units the canary's share matches."""
    expression = re.compile(pattern(canary_buckets("lead-v2", 20, 0)))
    hits = sum(
        expression.fullmatch(bucket_header(unit_hash("crm/lead", f"user-{n}"))) is not None for n in range(10_000)
    )
    assert 1_850 < hits < 2_150


@pytest.mark.parametrize(
    ("weight", "holdout_percent", "reason"),
    [(5, 1, "5 % of 990 buckets"), (0, 0, "weight of 0 %"), (100, 0, "weight of 100 %"), (-1, 0, "weight of -1 %")],
)
def test_a_share_that_cannot_be_kept_is_refused(weight: int, holdout_percent: int, reason: str) -> None:
    """Rounding would tell the evidence another weight than the route has."""
    with pytest.raises(ValueError, match=reason):
        canary_buckets("lead-v2", weight, holdout_percent)


@pytest.mark.parametrize(("start", "size", "floor"), [(1000, 1, 0), (-1, 1, 0), (5, 1, 6), (0, 1001, 0), (10, 991, 10)])
def test_an_interval_lies_on_its_circle(start: int, size: int, floor: int) -> None:
    """Bounds are checked where an interval is made."""
    with pytest.raises(ValueError, match="no interval of the buckets"):
        Interval(start, size, floor)


def test_an_interval_goes_on_behind_the_last_bucket() -> None:
    """In the order of the ramp: up to 999, then from the holdout's end."""
    interval = Interval(998, 4, 100)
    assert list(interval) == [998, 999, 100, 101]
    assert interval.runs() == (range(998, 1000), range(100, 102))
    assert 999 in interval
    assert 102 not in interval
    assert 0 not in interval
    assert "998" not in interval
