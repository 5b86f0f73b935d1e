"""Integrated gradients of one row, for models that offer their own gradients.

Sundararajan, Taly & Yan 2017, equation 1: the gradient along the straight way from a usual row to the explained one,
times the way. The integral is a Gauss-Legendre sum, which is exact for polynomials up to twice the number of steps. The
mean over usual rows has the base of the Shapley values (Erion et al. 2021, expected gradients).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from bentos.front.explaining.limits import GRADIENTS
from bentos.front.explaining.shapley import Ask, Attribution, Vector
from bentos.front.schema import Rows

STEPS: Final = 32

Gradients = Callable[[Rows], Rows]
"""The gradients of the explained output: (rows, inputs) to (rows, inputs)."""


def integrated(row: Rows, background: Rows, ask: Ask, gradients: Gradients, *, chunk: int) -> Attribution:
    """Integrated gradients from every usual row, their mean.

    Args:
        row: shape (1, inputs), without NaN.
        background: shape (usual rows, inputs), without NaN.
        ask: the model.
        gradients: its own.
        chunk: rows that it is asked for at once, at most.

    """
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    total: Vector = np.zeros(row.shape[1])
    way = row - background
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        points = background + node * way
        for start in range(0, len(points), chunk):
            part = slice(start, start + chunk)
            total += weight * (gradients(points[part]) * way[part]).sum(axis=0)
    values = total / len(background)
    usual = np.concatenate([ask(background[at : at + chunk]) for at in range(0, len(background), chunk)])
    base, answer = float(usual.mean()), float(ask(row)[0])
    return Attribution(answer, base, values, GRADIENTS, STEPS, answer - base - float(values.sum()))
