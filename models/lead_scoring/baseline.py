"""What the network must beat: a rule of one attribute, a tuned logistic regression, gradient boosting.

Each is a function from training rows to a function from rows to probabilities, so that a comparison can treat
them and the network alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.calibration import fit_calibration
from models.lead_scoring.schema import CATEGORY_COLUMNS, FIELDS
from models.metrics import log_losses
from models.resampling import Groups, stratified_folds

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]
Scorer = Callable[[Numbers], Numbers]
"""Probabilities of shape (rows,) for rows of shape (rows, fields)."""

_INVERSE_PENALTIES: Final = (0.001, 0.003, 0.01, 0.03, 0.1)
_INNER_FOLDS: Final = 5
_CAR_POLICY_COLUMN: Final = next(index for index, field in enumerate(FIELDS) if field.name == "PPERSAUT")


def fit_rule(rows: Numbers, label: Labels, group: Groups, *, seed: int) -> Scorer:  # noqa: ARG001 (one signature)
    """Who pays class 6 for car insurance buys at that group's rate, everybody else at theirs."""
    applies = rows[:, _CAR_POLICY_COLUMN] == 6
    rate_inside, rate_outside = label[applies].mean(), label[~applies].mean()
    return lambda new: np.where(new[:, _CAR_POLICY_COLUMN] == 6, rate_inside, rate_outside)


def fit_logistic(rows: Numbers, label: Labels, group: Groups, *, seed: int) -> Scorer:
    """L2-penalised on standardised numbers and indicators of the categories.

    The penalty is chosen, and the logits are calibrated, by inner cross-validation on the training rows: what the
    network gets, its baseline gets.
    """
    encode = _standardise(rows)
    design = encode(rows)
    inner = stratified_folds(label, group, folds=_INNER_FOLDS, seed=seed)
    with threadpool_limits(1):
        logits = {strength: _held_out_logits(design, label, inner, strength) for strength in _INVERSE_PENALTIES}
        calibrations = {strength: fit_calibration(logit, label) for strength, logit in logits.items()}
        best = min(
            logits, key=lambda strength: log_losses(calibrations[strength].apply(logits[strength]), label).mean()
        )
        model = _logistic(best).fit(design, label)
    return lambda new: calibrations[best].apply(model.decision_function(encode(new)))


def fit_boosting(rows: Numbers, label: Labels, group: Groups, *, seed: int) -> Scorer:  # noqa: ARG001 (one signature)
    """Shallow trees; depth and number were chosen like the network's settings."""
    with threadpool_limits(1):
        model = HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.05, max_depth=2, l2_regularization=10, random_state=seed
        ).fit(rows, label)
    return lambda new: np.asarray(model.predict_proba(new)[:, 1])


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=1_000)


def _held_out_logits(design: Numbers, label: Labels, inner: NDArray[np.int64], strength: float) -> Numbers:
    logits = np.empty(len(label))
    for fold in range(_INNER_FOLDS):
        test = inner == fold
        logits[test] = _logistic(strength).fit(design[~test], label[~test]).decision_function(design[test])
    return logits


def _standardise(rows: Numbers) -> Callable[[Numbers], Numbers]:
    """Standardised numbers beside one indicator per category seen; both learned from these rows."""
    numbers = [column for column in range(rows.shape[1]) if column not in CATEGORY_COLUMNS]
    mean = rows[:, numbers].mean(axis=0)
    deviation = rows[:, numbers].std(axis=0)
    deviation[deviation == 0] = 1
    levels = {column: np.unique(rows[:, column]) for column in CATEGORY_COLUMNS}

    def encode(new: Numbers) -> Numbers:
        indicators = [new[:, [column]] == seen for column, seen in levels.items()]
        return np.hstack([(new[:, numbers] - mean) / deviation, *indicators])

    return encode
