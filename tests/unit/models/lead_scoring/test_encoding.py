"""The indicator encoding: what it learns, and from whom."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.caravan import Caravan
from models.lead_scoring.features import FEWEST_ROWS, learn_encoding, model_rows
from tests.support.training import caravan_data


def small_rows() -> np.ndarray:
    """Rows with one category column, the first, and one ordered column, the second; the rest is constant."""
    rows = np.zeros((100, 85))
    rows[:, 0] = np.repeat([3.0, 7.0], 50)
    rows[:, 1] = np.repeat([1.0, 2.0, 5.0], [60, 35, 5])
    return rows


def test_ordered_columns_have_steps_and_categories_have_indicators() -> None:
    """At least 2 for the ordered column; exactly 3 and exactly 7 for the category."""
    rows = small_rows()
    encoding = learn_encoding(rows)
    found = list(zip(encoding.column.tolist(), encoding.level.tolist(), encoding.is_category.tolist(), strict=True))
    assert found == [(0, 3.0, True), (0, 7.0, True), (1, 2.0, False)]
    assert encoding.indicators(rows[[0, 99]]).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_level_of_too_few_rows_is_left_out() -> None:
    """Five rows at level 5 are fewer than it takes to learn something about it."""
    encoding = learn_encoding(small_rows())
    assert 5.0 not in encoding.level
    counts = encoding.indicators(small_rows()).sum(axis=0)
    assert counts.min() >= FEWEST_ROWS
    assert counts.max() <= 100 - FEWEST_ROWS


def test_indicators_of_the_training_rows_are_standardised() -> None:
    """Mean 0 and deviation 1 on the rows that it was learned from."""
    rows = model_rows(caravan_data())
    encoding = learn_encoding(rows)
    standardised = encoding.standardised(rows)
    assert standardised.mean(axis=0) == pytest.approx(0, abs=1e-9)
    assert standardised.std(axis=0) == pytest.approx(1)


def test_rows_that_were_not_learned_from_change_nothing() -> None:
    """Leakage: a row's own encoding depends on the training rows alone, also for values never seen there."""
    rows = small_rows()
    encoding = learn_encoding(rows)
    new = np.full((1, 85), 9.0)
    assert np.array_equal(encoding.standardised(np.vstack([rows[:1], new]))[:1], encoding.standardised(rows[:1]))
    assert encoding.indicators(new).tolist() == [[0, 0, 1]]


def test_a_file_with_other_columns_is_refused() -> None:
    """Columns in another order would be silently wrong; the error shows both lists."""
    data = caravan_data()
    swapped = Caravan((*data.names[1:], data.names[0]), data.values, data.bought)
    with pytest.raises(ValueError, match="columns are"):
        model_rows(swapped)
