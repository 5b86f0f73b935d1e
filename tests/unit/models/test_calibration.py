"""Platt scaling finds the line that was bent, and stays defined where maximum likelihood is not."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration import Calibration, fit_calibration, sigmoid


def test_a_known_distortion_is_undone() -> None:
    """Logits that are twice too large and shifted get slope 1/2 and the shift back."""
    random = np.random.default_rng(0)
    true = random.normal(-2, 1.5, 200_000)
    label = random.uniform(size=len(true)) < sigmoid(true)
    fitted = fit_calibration(2 * true + 1, label)
    assert fitted.slope == pytest.approx(0.5, abs=0.01)
    assert fitted.offset == pytest.approx(-0.5, abs=0.03)


def test_calibrated_probabilities_sum_to_the_number_of_positives() -> None:
    """The property of the offset's likelihood equation."""
    random = np.random.default_rng(1)
    logit, label = random.normal(size=500), random.uniform(size=500) < 0.06
    assert fit_calibration(logit, label).apply(logit).sum() == pytest.approx(label.sum())


def test_separable_labels_do_not_diverge() -> None:
    """Perfect logits get a finite slope."""
    logit = np.linspace(-1, 1, 40)
    assert np.isfinite(fit_calibration(logit, logit > 0).slope)


def test_the_order_of_scores_is_kept() -> None:
    """Calibration with a positive slope changes no ranking; large logits do not overflow."""
    calibration = Calibration(slope=0.7, offset=-1)
    applied = calibration.apply(np.array([-2_000.0, -1.0, 0.0, 2_000.0]))
    assert (np.diff(applied) > 0).all()
    assert applied[0] == 0
    assert applied[-1] == 1
