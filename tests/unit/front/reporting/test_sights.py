"""The table of known units: it may forget, it never takes a new unit for a known one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bentos.front.reporting.sights import Sights

units = st.binary(min_size=8, max_size=8)


def test_a_unit_is_first_once() -> None:
    """The second time at the same place it is known."""
    sights = Sights(16)
    assert sights.is_first(5, 1, b"unit-one")
    assert not sights.is_first(5, 1, b"unit-one")


def test_the_unit_of_zeros_is_a_unit() -> None:
    """An empty row is not mistaken for the unit whose hash, or hash and rollout together, are zero."""
    assert Sights(16).is_first(0, 0, bytes(8))
    assert Sights(16).is_first(5, 1_999, (5).to_bytes(8, "big"))


def test_an_earlier_place_is_news_and_a_later_one_is_not() -> None:
    """The ledger credits the smallest place, so it must hear of it even when a later one came before."""
    sights = Sights(16)
    assert sights.is_first(5, 4, b"unit-one")
    assert not sights.is_first(5, 5, b"unit-one")
    assert sights.is_first(5, 3, b"unit-one")
    assert not sights.is_first(5, 4, b"unit-one")


def test_rollouts_are_told_apart() -> None:
    """A unit of one rollout is new in the next."""
    sights = Sights(1_024)
    assert sights.is_first(5, 1, b"unit-one")
    assert sights.is_first(6, 1, b"unit-one")


def test_a_unit_that_lost_its_row_is_reported_again() -> None:
    """Two units of one row push each other out, which costs traffic and no exposure."""
    sights = Sights(1)
    assert [sights.is_first(0, 1, unit) for unit in (b"unit-one", b"unit-two", b"unit-one")] == [True, True, True]


def test_after_forgetting_every_unit_is_new() -> None:
    """What was lost on its way is reported again."""
    sights = Sights(16)
    sights.is_first(5, 1, b"unit-one")
    sights.forget()
    assert sights.is_first(5, 1, b"unit-one")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), units), max_size=60))
def test_a_known_unit_was_reported_at_this_place_or_before(seen: list[tuple[int, int, bytes]]) -> None:
    """Against a plain set: whatever is not news has been news, at an equal or smaller place."""
    sights, reported = Sights(8), set[tuple[int, int, bytes]]()
    for salt, place, unit in seen:
        if sights.is_first(salt, place, unit):
            reported.add((salt, place, unit))
        else:
            assert any((salt, earlier, unit) in reported for earlier in range(place + 1))
