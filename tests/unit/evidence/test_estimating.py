"""How large the effect is: an estimate with an interval that covers at every look."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marquee.evidence.counts import Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.estimating import estimate_ratio
from marquee.evidence.mixture import TWO_SIDED, log_ratio, weigh
from tests.unit.evidence.builders import GOLDEN, ledgers


def test_an_interval_needs_an_error_probability() -> None:
    """Zero is none."""
    with pytest.raises(QuestionError, match=r"^alpha: "):
        estimate_ratio(GOLDEN, 0)


def test_nothing_to_compare_gives_no_estimate() -> None:
    """No outcomes, or one arm."""
    assert estimate_ratio([], 0.05) is None
    assert estimate_ratio([Tally(10, 10, 0, 0), Tally(0, 10, 0, 5), Tally(10, 0, 5, 0)], 0.05) is None


def test_one_cohort_is_estimated_by_its_rates() -> None:
    """The ratio of the two arms' rates."""
    found = estimate_ratio([Tally(2_000, 18_000, 66, 720)], 0.05)
    assert found is not None
    assert found.estimate == pytest.approx((66 / 2_000) / (720 / 18_000), rel=1e-9)
    assert found.lower < found.estimate < found.upper


def test_cohorts_are_not_pooled() -> None:
    """Equal arms in each cohort are a ratio of 1, though the pooled rates differ by far."""
    found = estimate_ratio([Tally(1_000, 9_000, 10, 90), Tally(9_000, 1_000, 900, 100)], 0.05)
    assert found is not None
    assert found.estimate == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("tally", "bounds"), [(Tally(50, 50, 0, 9), (0.0, 0.0)), (Tally(50, 50, 9, 0), (math.inf,) * 2)]
)
def test_an_arm_without_outcomes_has_an_open_bound(tally: Tally, bounds: tuple[float, float]) -> None:
    """The estimate is at the end of the scale, and the interval is open there."""
    found = estimate_ratio([tally], 0.05)
    assert found is not None
    assert found.estimate == bounds[0]
    assert bounds[1] in (found.lower, found.upper)
    assert 0 < (found.upper if bounds[0] == 0 else found.lower) < math.inf


@given(ledgers)
@settings(max_examples=30, deadline=None)
def test_the_ends_are_where_the_mixture_rejects(ledger: list[Tally]) -> None:
    """At a finite end, E against that ratio is 1/alpha; inside it is less."""
    found = estimate_ratio(ledger, 0.05)
    if found is None:
        return
    assert found.lower <= found.estimate <= found.upper
    for end in (found.lower, found.upper):
        if 0 < end < math.inf:
            against = sum(log_ratio(t.share, t.canary, t.stable, math.log(end), 0.0) for t in ledger if t.compares)
            size = 1 + abs(against)
            assert weigh(TWO_SIDED, ledger).log_e - against == pytest.approx(math.log(20), abs=1e-6 * size)


def test_more_evidence_narrows_the_interval() -> None:
    """And it goes on covering the ratio that the data have."""
    widths = []
    for size in (1, 10, 100):
        found = estimate_ratio([Tally(1_000 * size, 1_000 * size, 40 * size, 50 * size)], 0.05)
        assert found is not None
        assert found.lower < 0.8 < found.upper
        widths.append(found.upper - found.lower)
    assert widths == sorted(widths, reverse=True)
