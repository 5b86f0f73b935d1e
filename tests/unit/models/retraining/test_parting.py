"""Which examples are held out, and what is too little."""

from __future__ import annotations

import numpy as np
import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.examples import Examples
from models.retraining.measures import measured
from models.retraining.parting import newest_apart


def examples(times: list[int], positives: int) -> Examples:
    """Every second row positive, until there are so many."""
    label = np.zeros(len(times), dtype=bool)
    label[::2][:positives] = True
    return Examples(np.zeros((len(times), 1)), label, np.arange(len(times)), np.array(times))


def test_the_newest_fifth_is_held_out() -> None:
    """By time alone."""
    training, held_out = newest_apart(examples(list(range(200)), 100))
    assert training.time.tolist() == list(range(160))
    assert held_out.time.tolist() == list(range(160, 200))


def test_rows_of_one_instant_stay_together() -> None:
    """A daily snapshot is learned from or compared on, not both."""
    training, held_out = newest_apart(examples([day for day in range(8) for _ in range(25)], 100))
    assert set(training.time) == set(range(6))
    assert set(held_out.time) == {6, 7}


@pytest.mark.parametrize(
    ("times", "positives", "said"),
    [
        ([5] * 100, 50, "none are newer"),
        ([1], 1, "none are newer"),
        (list(range(200)), 85, "to compare on 5 are positive"),
        (list(range(30)), 15, "to compare on 3 are positive"),
        (list(range(200)), 9, "to learn from 9 are positive"),
    ],
)
def test_too_little_is_said(times: list[int], positives: int, said: str) -> None:
    """With what there is."""
    with pytest.raises(TrainingError) as caught:
        newest_apart(examples(times, positives))
    assert caught.value.failure.reason is TrainingFailureReason.DATA_INSUFFICIENT
    assert said in str(caught.value)


def test_a_metric_that_rows_do_not_define_is_not_told() -> None:
    """A slice where nobody bought has a loss and no area under a curve."""
    score, nobody = np.array([0.1, 0.2]), np.zeros(2, dtype=bool)
    asked = ("auc", "brier", "lift_top_20")
    assert measured(asked, score, nobody) == {"brier": 0.025}
    assert set(measured(asked, score, ~nobody)) == {"brier", "lift_top_20"}
    assert measured(asked, score[:0], nobody[:0]) == {}
