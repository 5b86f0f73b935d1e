"""Quality figures, against hand-made cases and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from models.metrics import (
    auc,
    calibration_error,
    lift,
    log_losses,
    paired_difference,
    resampled_difference,
)

RANDOM = np.random.default_rng(3)
PROBABILITY = np.round(RANDOM.uniform(0.01, 0.99, 500), 2)
LABEL = RANDOM.uniform(size=500) < PROBABILITY


def test_log_loss_and_auc_agree_with_scikit_learn() -> None:
    """Ties included: the probabilities have two digits."""
    assert log_losses(PROBABILITY, LABEL).mean() == pytest.approx(log_loss(LABEL, PROBABILITY))
    assert auc(PROBABILITY, LABEL) == pytest.approx(roc_auc_score(LABEL, PROBABILITY))


def test_a_certain_mistake_costs_much_but_not_infinity() -> None:
    """A probability of exactly 0 for what happened keeps sums finite."""
    assert log_losses(np.array([0.0]), np.array([True]))[0] == pytest.approx(-math.log(1e-12))


def test_lift_counts_the_share_with_the_highest_scores() -> None:
    """Both positives of ten in the top two give the largest possible lift."""
    score = np.arange(10.0)
    label = np.isin(np.arange(10), (8, 9))
    assert lift(score, label, 0.2) == pytest.approx(5.0)
    assert lift(-score, label, 0.2) == 0.0


def test_lift_does_not_depend_on_the_order_of_tied_rows() -> None:
    """A constant score has lift 1, wherever the positives stand."""
    label = np.array([True] * 3 + [False] * 7)
    assert lift(np.zeros(10), label, 0.2) == pytest.approx(1.0)
    assert lift(np.zeros(10), label[::-1], 0.2) == pytest.approx(1.0)


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    """True probabilities have a small one, shifted ones the shift."""
    probability = np.linspace(0, 1, 100_000)
    label = np.random.default_rng(5).uniform(size=100_000) < probability
    assert calibration_error(probability, label) < 0.01
    assert calibration_error(np.full(1_000, 0.3), np.arange(1_000) < 100) == pytest.approx(0.2, abs=1e-9)


def test_the_resampled_interval_is_wider_than_the_plain_one() -> None:
    """It accounts for shared training rows: Nadeau and Bengio's variance over the plain one is 1 + n/(k-1)."""
    per_fold = np.random.default_rng(7).normal(1, 1, 15)
    corrected = resampled_difference(per_fold, folds=5)
    plain = per_fold.std(ddof=1) / math.sqrt(15) * 2.1448
    assert (corrected.high - corrected.mean) / plain == pytest.approx(math.sqrt(1 + 15 / 4), rel=1e-3)
    assert corrected.low < corrected.mean < corrected.high


def test_the_paired_interval_covers_the_true_mean() -> None:
    """In 95 % of samples, within what 2,000 of them can tell."""
    random = np.random.default_rng(11)
    covered = [
        interval.low <= 0 <= interval.high
        for interval in (paired_difference(random.normal(size=100)) for _ in range(2_000))
    ]
    assert 0.93 < np.mean(covered) < 0.97
