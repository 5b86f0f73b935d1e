"""What became of a window: what cannot be measured first, then gaps in standard errors."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.evidence.drift.performing import measured
from marquee.evidence.drift.realising import Gap, Matured, Realised, Unusable, area_error, loss, realised
from marquee.evidence.errors import CountsError

SCORES = (0.1, 0.3, 0.6)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"rows": (5, 5, 5), "outcomes": (1, 1)}, "are of other bins than the answers"),
        ({"rows": (5, 5, 5), "outcomes": (1, 1, -1)}, "hold a negative count"),
        ({"rows": (5, 5, 5), "outcomes": (1, 1, 1), "totals": (1.0, 1.0, 1.0)}, "are of other bins"),
        ({"rows": (5, 5), "outcomes": (1, 1)}, "are of 2 bins for 3 scores"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(window: dict[str, Any], words: str) -> None:
    """No guess is made of them."""
    with pytest.raises(CountsError, match=words):
        realised(Matured(1, **window), SCORES)


@pytest.mark.parametrize(
    ("rows", "outcomes", "why"),
    [
        ((0, 0, 0), (0, 0, 0), Unusable.NO_ANSWERS),
        ((20, 5, 5), (2, 1, 3), Unusable.TOO_FEW),
        ((0, 0, 15), (0, 0, 9), Unusable.TOO_FEW),
        ((100, 100, 100), (0, 0, 0), Unusable.NO_OUTCOMES),
        ((100, 100, 20), (10, 30, 60), Unusable.UNACCOUNTED),
    ],
)
def test_what_says_nothing_is_told_from_what_says_something(
    rows: tuple[int, ...], outcomes: tuple[int, ...], why: Unusable
) -> None:
    """A feed of outcomes that is dead is no bad model."""
    assert realised(Matured(1, rows, outcomes), SCORES) == Realised(
        1, max(sum(rows), sum(map(max, rows, outcomes))), sum(outcomes), why
    )


def test_a_few_outcomes_without_a_counted_answer_count_as_answers() -> None:
    """A pod that was killed has answered more than it told."""
    found = realised(Matured(1, (1_000, 1_000, 3), (100, 300, 5)), SCORES)
    assert (found.unusable, found.rows, found.outcomes) == (None, 2_005, 405)


def test_a_worked_example() -> None:
    """Of 100 answers in each bin 100 outcomes were promised, and 70 came, by the score's half slope."""
    found = realised(Matured(1, (100, 100, 100), (15, 20, 35)), SCORES)
    assert found.differences is not None
    assert found.promised is not None
    assert found.performance is not None
    calibration = found.differences[Gap.CALIBRATION]
    assert calibration.effect == pytest.approx(-0.3)
    assert calibration.residual == pytest.approx(-30 / math.sqrt(9 + 21 + 24))
    more = found.differences[Gap.DISCRIMINATION]
    assert more.effect == pytest.approx((found.performance.auc or 0) - (found.promised.auc or 0))
    assert more.effect < -0.05


def test_values_are_held_against_their_bins_mean() -> None:
    """Two answers of 10 and none promise 10 each at the score of 10: 0 and 20 came, so the mean is right."""
    found = realised(Matured(1, (20,), (10,), (200.0,), (4_000.0,)), (10.0,))
    assert (found.mean_error, found.root_mean_square_error) == (0.0, 10.0)
    twice = realised(Matured(1, (20,), (10,), (400.0,), (16_000.0,)), (10.0,))
    assert twice.differences is not None
    assert twice.differences[Gap.CALIBRATION].effect == pytest.approx(1.0)
    assert (twice.promised, twice.performance) == (None, None)


def test_the_error_of_an_area_is_delongs() -> None:
    """Against the variance of areas that are drawn again and again."""
    draw = random.Random(3)
    areas, told = [], []
    for _ in range(400):
        hits = [sum(draw.random() < score for _ in range(200)) for score in SCORES]
        bins = measured(SCORES, [200 - hit for hit in hits], hits)
        found = realised(Matured(1, (200,) * 3, tuple(hits)), SCORES)
        assert found.performance is not None
        areas.append(found.performance.auc or 0)
        told.append(area_error(bins) or 0)
    mean = sum(areas) / len(areas)
    deviation = math.sqrt(sum((area - mean) ** 2 for area in areas) / len(areas))
    assert sum(told) / len(told) == pytest.approx(deviation, rel=0.25)


def test_a_loss_is_told_as_far_as_it_is_certain() -> None:
    """The same twice is none; a score that lost its order has lost most of its area above a half."""
    good = realised(Matured(1, (1_000,) * 3, (100, 300, 600)), SCORES)
    flat = realised(Matured(2, (1_000,) * 3, (333, 333, 334)), SCORES)
    assert (loss([good], [good]) or 0) < 0
    found, noisy = loss([flat], [good]), loss([flat], [good], noise=9.0)
    assert found is not None
    assert noisy is not None
    assert 0.25 < found < 0.34
    assert noisy < found
    assert loss([], [good]) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=3),
    st.randoms(use_true_random=False),
)
def test_replicas_and_their_order_change_no_bit(counts: list[tuple[int, int]], draw: random.Random) -> None:
    """Counts of any split add up to the same window."""
    rows = tuple(hits + misses for hits, misses in counts)
    hits = tuple(hit for hit, _ in counts)
    whole = realised(Matured(1, rows, hits), SCORES)
    cuts = [sorted(draw.randint(0, hit) for _ in range(4)) for hit in hits]
    parts = [
        [after - before for before, after in pairwise((0, *cut, hit))] for cut, hit in zip(cuts, hits, strict=True)
    ]
    for part in parts:
        draw.shuffle(part)
    assert realised(Matured(1, rows, tuple(map(sum, parts))), SCORES) == whole
