"""Performance from score bins: estimated as a calibrated score promises, measured as it turned out."""

from __future__ import annotations

import random

import pytest

from marquee.evidence.drift.performing import estimated, measured, performance
from marquee.evidence.errors import CountsError

SCORES = tuple((place + 0.5) / 100 for place in range(100))


@pytest.mark.parametrize(
    ("scores", "counts", "path"),
    [
        ((0.1,), (1, 2), "counts"),
        ((0.2, 0.1), (1, 2), "scores"),
        ((0.1, 1.1), (1, 2), "scores"),
        ((0.1,), (-1,), "counts"),
    ],
)
def test_bins_that_fit_no_score_are_refused(scores: tuple[float, ...], counts: tuple[int, ...], path: str) -> None:
    """One count for each score, scores rising within 0 and 1."""
    with pytest.raises(CountsError, match=f"^{path}: "):
        estimated(scores, counts)


def test_a_worked_example() -> None:
    """Two bins: of ten rows at 0.2 three are positive, of ten at 0.8 nine."""
    found = performance(measured((0.2, 0.8), (7, 1), (3, 9)))
    assert found.rows == 20
    assert found.auc == pytest.approx((3 * 3.5 + 9 * 7.5) / (12 * 8))
    assert found.brier == pytest.approx((3 * 0.64 + 7 * 0.04 + 9 * 0.04 + 1 * 0.64) / 20)
    assert found.calibration_error == pytest.approx((1 + 1) / 20)
    assert found.accuracy == pytest.approx(16 / 20)
    assert found.f1 == pytest.approx(18 / (18 + 1 + 3))


def test_what_rows_do_not_define_is_not_told() -> None:
    """No row; only negatives, none of them called positive."""
    assert performance(measured((0.5,), (0,), (0,))).auc is None
    found = performance(measured((0.2,), (5,), (0,)))
    assert (found.auc, found.f1, found.accuracy) == (None, None, 1.0)


def test_the_estimate_of_a_calibrated_score_is_what_comes_true() -> None:
    """Outcomes drawn with the scores as probabilities: a hundred bins tell the same before and after."""
    chance = random.Random(7)
    negatives, positives = [0] * 100, [0] * 100
    for _ in range(200_000):
        score = chance.betavariate(1.2, 4)
        (positives if chance.random() < score else negatives)[int(score * 100)] += 1
    counts = [a + b for a, b in zip(negatives, positives, strict=True)]
    before = performance(estimated(SCORES, counts), 0.3)
    after = performance(measured(SCORES, negatives, positives), 0.3)
    for name in ("auc", "brier", "accuracy", "f1"):
        assert getattr(before, name) == pytest.approx(getattr(after, name), abs=0.006)
    assert before.calibration_error == pytest.approx(0, abs=1e-12)
    assert after.calibration_error == pytest.approx(0, abs=0.01)


def test_a_changed_relation_shows_in_the_gap() -> None:
    """The same scores with half as many positives: the estimate cannot know, the outcomes say so."""
    counts = [1_000] * 100
    positives = [round(1_000 * score / 2) for score in SCORES]
    negatives = [1_000 - each for each in positives]
    before, after = performance(estimated(SCORES, counts)), performance(measured(SCORES, negatives, positives))
    assert before.brier is not None
    assert after.brier is not None
    assert after.calibration_error == pytest.approx(0.25, abs=0.001)
    assert after.brier > before.brier + 0.05
