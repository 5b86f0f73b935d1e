"""Folds for cross-validation: stratified by the label, with rows that belong together in one fold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Groups = NDArray[np.int64]
Folds = NDArray[np.int64]


def identical_rows(values: NDArray[Any]) -> Groups:
    """The same number for rows that are equal in every column; shape (rows,)."""
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)


def stratified_folds(label: NDArray[np.bool_], group: Groups, *, folds: int, seed: int) -> Folds:
    """Each row's fold, 0 to ``folds - 1``.

    A group stays in one fold: a model that learned a row by heart must not meet its twin in the test fold.
    Groups with a positive row and groups without are dealt out separately, so every fold has its share of both.
    """
    random = np.random.default_rng(seed)
    has_positive = np.zeros(group.max() + 1, dtype=bool)
    np.logical_or.at(has_positive, group, label)
    fold_of_group = np.empty(len(has_positive), dtype=np.int64)
    for stratum in (True, False):
        members = random.permutation(np.flatnonzero(has_positive == stratum))
        fold_of_group[members] = np.arange(len(members)) % folds
    return fold_of_group[group]
