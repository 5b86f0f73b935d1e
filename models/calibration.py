"""Platt scaling: the line through a model's logits that makes its probabilities true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_PULL_TO_IDENTITY: Final = 1.0
"""Weight of the prior that the slope is 1, in observations: keeps the fit defined for separable labels."""
_MAX_STEPS: Final = 50
_TOLERANCE: Final = 1e-10


@dataclass(frozen=True)
class Calibration:
    """probability = sigmoid(slope · logit + offset)."""

    slope: float
    offset: float

    def apply(self, logit: Numbers) -> Numbers:
        """Calibrated probabilities."""
        return sigmoid(self.slope * logit + self.offset)


def fit_calibration(logit: Numbers, label: NDArray[np.bool_]) -> Calibration:
    """Maximum likelihood by Newton's method, from logits of rows that the model was not fitted on.

    J. Platt, Probabilistic Outputs for Support Vector Machines (1999), with the raw labels as targets.
    """
    target = label.astype(float)
    parameters = np.array([1.0, 0.0])
    design = np.column_stack([logit, np.ones_like(logit)])
    for _ in range(_MAX_STEPS):
        probability = sigmoid(design @ parameters)
        gradient = design.T @ (probability - target)
        gradient[0] += _PULL_TO_IDENTITY * (parameters[0] - 1)
        hessian = design.T @ (design * (probability * (1 - probability))[:, None])
        hessian[0, 0] += _PULL_TO_IDENTITY
        step = np.linalg.solve(hessian, gradient)
        parameters -= step
        if np.abs(step).max() < _TOLERANCE:
            break
    return Calibration(slope=float(parameters[0]), offset=float(parameters[1]))


def sigmoid(logit: Numbers) -> Numbers:
    """1 / (1 + exp(-logit)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))
