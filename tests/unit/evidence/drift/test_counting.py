"""Counters add up, whoever counted, in whatever order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.evidence.drift.baselines import baseline_of
from marquee.evidence.drift.counting import Histogram, Window, total
from marquee.evidence.drift.settings import DriftSettings
from marquee.evidence.drift.verdict import replay
from marquee.evidence.errors import CountsError
from tests.unit.evidence.drift.feeds import day, histogram, weeks

histograms = st.builds(
    Histogram,
    bins=st.tuples(*[st.integers(0, 50)] * 4),
    missing=st.integers(0, 5),
    wrong=st.integers(0, 5),
    unseen=st.integers(0, 5),
)


@pytest.mark.parametrize(
    ("bins", "special", "complaint"),
    [((), {}, "bins: are none"), ((1, -1), {}, "negative"), ((1, 1), {"missing": -1}, "negative")],
)
def test_counts_that_nobody_can_have_counted_are_refused(
    bins: tuple[int, ...], special: dict[str, Any], complaint: str
) -> None:
    """Counters only grow."""
    with pytest.raises(CountsError, match=complaint):
        replace(Histogram(bins), **special)


def test_counts_over_other_edges_do_not_add_up() -> None:
    """A window of another revision, or a category beside a number."""
    with pytest.raises(CountsError, match="2 here and 3 there"):
        Histogram((1, 2)) + Histogram((1, 2, 3))
    with pytest.raises(CountsError, match="the same edges"):
        Histogram((1, 2)) + Histogram((1, 2), ordered=False)
    with pytest.raises(CountsError, match="are none"):
        total([])


def test_more_values_than_rows_are_refused() -> None:
    """A feature has one value a row."""
    with pytest.raises(CountsError, match=r"features\.age: 3 values in 2 rows"):
        Window(0, "mon", {"age": Histogram((1, 2))}, rows=2)


@given(st.lists(histograms, min_size=1, max_size=8), st.randoms())
def test_the_sum_is_the_same_in_any_order(found: list[Histogram], chance: random.Random) -> None:
    """And in any grouping: replicas, restarts and slices change nothing."""
    shuffled = list(found)
    chance.shuffle(shuffled)
    cut = chance.randrange(len(found) + 1)
    parts = [total(part) for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert total(parts) == total(found)
    assert total(found).rows == sum(each.rows for each in found)


@pytest.mark.parametrize("replicas", [1, 7, 100])
def test_the_verdict_does_not_know_how_many_replicas_counted(replicas: int) -> None:
    """Bit for bit: each value is counted by some pod, and their counters are added."""
    settings = DriftSettings()
    baseline = baseline_of(weeks(4), settings.quality)
    chance = random.Random(replicas)
    values = [chance.gauss(0.1, 1) for _ in range(12_000)]
    whole = Window(28, "mon", {**day(28).features, "age": histogram(values)}, 12_000)
    owner = [chance.randrange(replicas) for _ in values]
    by_pod = [
        histogram([value for value, pod in zip(values, owner, strict=True) if pod == number])
        for number in range(replicas)
    ]
    chance.shuffle(by_pod)
    split = Window(28, "mon", {**day(28).features, "age": total(by_pod)}, 12_000)
    assert replay([split], baseline, settings) == replay([whole], baseline, settings)
