"""A weight as numbers of pods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.control.decide.ratio import canary_pods, in_words

PODS = st.integers(1, 1000)
WEIGHTS = st.integers(1, 50)


@pytest.mark.parametrize(
    ("stable", "weight", "pods"),
    [(1, 1, 1), (2, 1, 1), (1, 50, 1), (4, 10, 1), (4, 20, 1), (4, 25, 1), (4, 40, 3), (4, 50, 4), (9, 10, 1),
     (10, 5, 1), (19, 5, 1), (20, 25, 7), (99, 1, 1), (1000, 50, 1000)],
)  # fmt: skip
def test_the_number_that_comes_nearest(stable: int, weight: int, pods: int) -> None:
    """At least one, also where one is far too many: a canary without a pod shows nothing."""
    assert canary_pods(stable, weight) == pods


@given(PODS, WEIGHTS)
def test_no_other_number_comes_nearer_to_what_is_asked_beside_stable(stable: int, weight: int) -> None:
    """Measured against the number that would be exact, if pods could be cut."""
    exact = stable * weight / (100 - weight)
    pods = canary_pods(stable, weight)
    assert pods == 1 or abs(pods - exact) <= 0.5 + 1e-9


@given(PODS, WEIGHTS, WEIGHTS)
def test_more_weight_is_never_fewer_pods_nor_more_than_stable_has(stable: int, one: int, other: int) -> None:
    """A ramp only scales up, and never needs more than what a gateway's canary has."""
    low, high = sorted((one, other))
    assert 1 <= canary_pods(stable, low) <= canary_pods(stable, high) <= stable


@pytest.mark.parametrize(
    ("canary", "stable", "weight", "words"),
    [
        (1, 4, 10, "20 % of connections, by 1 of 5 pods; 10 % are asked for"),
        (1, 4, 20, "20 % of connections, by 1 of 5 pods"),
        (0, 4, 20, "0 % of connections, by 0 of 4 pods; 20 % are asked for"),
        (0, 0, 20, "0 % of connections, by 0 of 0 pods"),
    ],
)
def test_people_are_told_of_the_difference(canary: int, stable: int, weight: int, words: str) -> None:
    """What is realised first; what was asked for where that is something else."""
    assert in_words(canary, stable, weight) == words
