"""Who may wait: the table of the decision, how the pace is learned, and when to come back."""

from __future__ import annotations

from collections import Counter

import pytest

from bentos.front.admission import DEFAULT_WAIT_SECONDS, MAX_RETRY_SECONDS, MAX_WAITING, Admission, longest_wait_seconds

MILLISECOND = 1_000_000
SECOND = 10**9


def admission(milliseconds: float = 10, *, wait_seconds: float = 0.1) -> Admission:
    return Admission(wait_seconds=wait_seconds, first_seconds=milliseconds / 1_000)


@pytest.mark.parametrize(
    ("pace", "waiting", "patience", "admitted"),
    [
        (10, 0, None, True),
        (10, 10, None, True),
        (10, 11, None, False),
        (0.001, MAX_WAITING - 1, None, True),
        (0.001, MAX_WAITING, None, False),
        (10, 5, 51 * MILLISECOND, True),
        (10, 5, 50 * MILLISECOND, False),
        (10, 0, 1, True),
        (5_000, 0, None, True),
        (5_000, 1, None, False),
    ],
)
def test_who_is_admitted(pace: float, waiting: int, patience: float | None, admitted: bool) -> None:
    """Whoever waits for no longer than he may, by pace and number; behind nobody even a slow model is used."""
    assert admission(pace).admits(waiting, patience) is admitted


def test_the_queue_becomes_shorter_when_answers_become_slower() -> None:
    """A second at a tenth of the pace is enough to learn it, and the way back is no longer."""
    one = admission(1)
    assert one.admits(100)
    for _ in range(100):
        one.observe(1, 10 * MILLISECOND)
    assert not one.admits(20)
    for _ in range(500):
        one.observe(1, MILLISECOND)
    assert one.admits(60)


def test_one_stall_does_not_turn_everybody_away() -> None:
    """A pause of 100 ms among thousands of short answers weighs as much as it lasted."""
    one = admission(0.1)
    for _ in range(1_000):
        one.observe(10, MILLISECOND)
    one.observe(1, 100 * MILLISECOND)
    assert one.pace < 0.2 * MILLISECOND


@pytest.mark.parametrize(("objective", "seconds"), [(None, DEFAULT_WAIT_SECONDS), (100, 0.05), (1, 0.0005)])
def test_half_of_the_objective_may_be_spent_on_waiting(objective: float | None, seconds: float) -> None:
    """The other half is for the answer."""
    assert longest_wait_seconds(objective) == seconds


def test_a_few_come_back_soon() -> None:
    """What the model answers within a second need not wait for longer than one."""
    assert {admission(10).retry_seconds(5 * SECOND) for _ in range(20)} == {1}


def test_many_are_spread_over_twice_the_time_that_they_take() -> None:
    """500 a second at 10 ms each take 5 s: they come back within 10, about as many each second."""
    one = admission(10)
    for second in range(3):
        seen = Counter(one.retry_seconds(second * SECOND + number) for number in range(500))
    assert set(seen) == set(range(1, 12))
    assert max(seen.values()) - min(seen.values()) <= 1


def test_nobody_is_sent_away_for_longer_than_the_bound() -> None:
    """However many they are."""
    one = admission(1_000)
    seen = {one.retry_seconds(number) for number in range(10_000)}
    assert max(seen) == MAX_RETRY_SECONDS


def test_what_was_long_ago_is_forgotten() -> None:
    """After a quiet second a single one is told to come back at once."""
    one = admission(10)
    for number in range(5_000):
        one.retry_seconds(number)
    assert one.retry_seconds(2 * SECOND) == 1
