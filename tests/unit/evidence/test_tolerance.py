"""Rates below a limit: bad limits, the exact expectation, and the case that it is there for."""

from __future__ import annotations

import math

import pytest

from marquee.evidence.errors import QuestionError
from marquee.evidence.tolerance import either, log_e_below


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_limit_is_a_rate(limit: float) -> None:
    """Between 0 and 1, exclusive."""
    with pytest.raises(QuestionError, match=r"^toleratedRate: "):
        log_e_below(limit, 10, 1)


@pytest.mark.parametrize("limit", [0.01, 0.3])
def test_the_expectation_is_one_at_the_limit_and_less_above(limit: float) -> None:
    """Over every number of events in 15 exposures."""

    def expectation(rate: float) -> float:
        return sum(
            math.comb(15, events)
            * rate**events
            * (1 - rate) ** (15 - events)
            * math.exp(log_e_below(limit, 15, events))
            for events in range(16)
        )

    assert expectation(limit) == pytest.approx(1, abs=1e-9)
    assert expectation(1.5 * limit) < 1


def test_nothing_seen_is_nothing_shown() -> None:
    """E is 1 without exposures."""
    assert log_e_below(0.01, 0, 0) == pytest.approx(0, abs=1e-12)


def test_no_event_in_many_exposures_shows_a_small_rate() -> None:
    """A limit of 1 percent is shown by a few hundred exposures without an event, and not by a few dozen."""
    assert log_e_below(0.01, 500, 0) > math.log(20) > log_e_below(0.01, 50, 0)


def test_each_event_weakens_it() -> None:
    """Evidence falls with the events, down to none."""
    states = [log_e_below(0.01, 10_000, events) for events in (0, 20, 50, 100, 200)]
    assert states == sorted(states, reverse=True)
    assert states[0] > math.log(20) > 0 > states[-1]


def test_one_of_two_is_their_average() -> None:
    """So that it stays an e-value; strong evidence for one is enough."""
    assert either(math.log(50), math.log(2)) == pytest.approx(math.log(26))
    assert either(1e4, -1e4) == pytest.approx(1e4 - math.log(2))
