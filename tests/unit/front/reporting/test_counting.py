"""Counting: what is an exposure, a request, an error, and slow; and that nothing grows without a bound."""

from __future__ import annotations

import pytest

from bentos.front.callers import Caller
from bentos.front.reporting import counting as module
from bentos.front.reporting.counting import Tally
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Cohort
from tests.unit.front.reporting.builders import CANARY, FAST, MODEL, OK, STABLE, caller, counting


def units_of(tally: Tally) -> list[bytes]:
    return [bytes(tally.units[at : at + 8]) for at in range(0, len(tally.units), 8)]


def test_a_caller_without_a_cohort_is_not_counted() -> None:
    """Outside of a rollout there is nothing to report."""
    counts = counting()
    counts.observe(Caller(), OK, FAST)
    assert not counts.pending


@pytest.mark.parametrize(
    ("status", "errors", "exposed"), [(200, 0, 1), (400, 0, 0), (422, 0, 0), (500, 1, 1), (503, 1, 1)]
)
def test_what_an_answer_counts_as(status: int, errors: int, exposed: int) -> None:
    """A failure of ours is an error, and the unit saw it; a client's own mistake is a request and no more."""
    counts = counting()
    counts.observe(caller(unit="a"), status, FAST)
    (tally,) = counts.take()
    assert (tally.requests, tally.errors, tally.slow) == (1, errors, 0)
    assert len(units_of(tally)) == exposed


def test_slow_is_above_the_objective() -> None:
    """An answer that takes exactly the objective is in time."""
    counts = counting(slow_milliseconds=2.5)
    for nanoseconds in (2_500_000, 2_500_001, 10**12):
        counts.observe(caller(), OK, nanoseconds)
    (tally,) = counts.take()
    assert (tally.requests, tally.slow) == (3, 2)


def test_without_an_objective_nothing_is_slow() -> None:
    """No objective, no slow requests, however long they take."""
    counts = counting()
    counts.observe(caller(), OK, 10**15)
    assert counts.take()[0].slow == 0


def test_a_unit_is_exposed_once_in_a_rollout() -> None:
    """Later predictions are requests; the unit stays where it was first seen, also when the ramp moves it."""
    counts = counting()
    for cohort in (STABLE, STABLE, CANARY, "lead-v2/2/canary", "other/0/canary"):
        counts.observe(caller(cohort, "a"), OK, FAST)
    found = {str(tally.cohort): (tally.requests, units_of(tally)) for tally in counts.take()}
    unit = unit_hash(MODEL, "a")
    assert found == {
        STABLE: (2, [unit]),
        CANARY: (1, []),
        "lead-v2/2/canary": (1, []),
        "other/0/canary": (1, [unit]),
    }


def test_requests_without_a_unit_are_exposed_each() -> None:
    """They are their own units, and do not push known ones out of the table."""
    counts = counting()
    counts.observe(caller(unit="a"), OK, FAST)
    strangers = [caller() for _ in range(2_000)]
    for stranger in strangers:
        counts.observe(stranger, OK, FAST)
    counts.observe(caller(unit="a"), OK, FAST)
    (tally,) = counts.take()
    assert units_of(tally) == [unit_hash(MODEL, "a"), *(stranger.unit for stranger in strangers)]


def test_what_was_taken_is_not_taken_again() -> None:
    """Each hand-over begins anew, and the units stay known."""
    counts = counting()
    for _ in range(2):
        counts.observe(caller(unit="a"), OK, FAST)
        assert [tally.cohort for tally in counts.take()] == [Cohort.parse(CANARY)]
        assert (counts.pending, counts.units, list(counts.take())) == (False, 0, [])
    counts.observe(caller(unit="a"), OK, FAST)
    assert units_of(counts.take()[0]) == []


def test_forgotten_units_are_exposed_again() -> None:
    """After a loss each unit is reported when it comes back."""
    counts = counting()
    for _ in range(2):
        counts.observe(caller(unit="a"), OK, FAST)
        counts.forget()
    assert len(units_of(counts.take()[0])) == 2


def test_a_full_batch_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hand-over is asked for when enough units are there."""
    monkeypatch.setattr(module, "FULL_UNITS", 3)
    taken: list[int] = []
    counts = counting(on_full=lambda: taken.append(sum(len(units_of(tally)) for tally in counts.take())))
    for _ in range(10):
        counts.observe(caller(), OK, FAST)
    assert taken == [3, 3, 3]


def test_units_that_nobody_takes_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stalled reporter costs exposures and no memory; a dropped unit is still new afterwards."""
    monkeypatch.setattr(module, "MAX_UNITS", 2)
    statistics = Statistics()
    counts = counting(statistics)
    for unit in "abcc":
        counts.observe(caller(unit=unit), OK, FAST)
    (tally,) = counts.take()
    assert (tally.requests, len(units_of(tally))) == (4, 2)
    assert statistics.dropped[Kind.EXPOSURES, Reason.BUFFER_FULL] == 2
    counts.observe(caller(unit="c"), OK, FAST)
    assert len(units_of(counts.take()[0])) == 1


def test_invented_cohorts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond any gateway's number of cohorts they are dropped, and counted."""
    monkeypatch.setattr(module, "MAX_COHORTS", 2)
    statistics = Statistics()
    counts = counting(statistics)
    for number in range(5):
        counts.observe(caller(f"r{number}/0/stable"), OK, FAST)
    assert len(counts.take()) == 2
    assert statistics.dropped[Kind.COUNTS, Reason.TOO_MANY_COHORTS] == 3
