"""Folds: twins together, buyers spread evenly, the same for the same seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.resampling import identical_rows, stratified_folds
from tests.support.training import caravan_data


def test_identical_rows_share_a_group_and_others_do_not() -> None:
    """Caravan has 5,171 distinct rows among its 5,822."""
    values = caravan_data().values
    group = identical_rows(values)
    assert len(np.unique(group)) == 5_171
    first = np.flatnonzero(group == group[0])
    assert (values[first] == values[first[0]]).all()


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=20, max_size=80),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
)
def test_a_group_is_never_split(rows: list[tuple[int, bool]], folds: int, seed: int) -> None:
    """Whatever the labels, every row of a group is in the same fold."""
    group = np.unique([number for number, _ in rows], return_inverse=True)[1]
    label = np.array([positive for _, positive in rows])
    fold = stratified_folds(label, group, folds=folds, seed=seed)
    for number in np.unique(group):
        assert len(set(fold[group == number].tolist())) == 1
    assert fold.min() >= 0
    assert fold.max() < folds


def test_buyers_are_spread_evenly() -> None:
    """No fold of Caravan has more than a few buyers more than another."""
    data = caravan_data()
    fold = stratified_folds(data.bought, identical_rows(data.values), folds=5, seed=0)
    buyers = np.bincount(fold[data.bought], minlength=5)
    assert buyers.max() - buyers.min() <= 6
    assert np.bincount(fold).min() > 1_100


def test_the_seed_decides() -> None:
    """Same seed, same folds; another seed, others."""
    label, group = np.arange(100) % 7 == 0, np.arange(100)
    one = stratified_folds(label, group, folds=4, seed=1)
    assert np.array_equal(one, stratified_folds(label, group, folds=4, seed=1))
    assert not np.array_equal(one, stratified_folds(label, group, folds=4, seed=2))
