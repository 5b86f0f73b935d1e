"""The e-values of `marquee.evidence`, for thousands of runs at once.

Most looks are far from a verdict. The log likelihood ratio of a point of the grid is at most
``S x - V (e^-x - 1 + x)``, where S is the score and V the information at the reference and x the point's distance from
it (theta (1 - theta) falls no faster than e^-x). So E is at most a function of S and V, which grows with S: for each V
there is a score below which E cannot have reached 1/alpha. Only runs above it are computed on the whole grid. The
screen hides no verdict, and the suite checks the rest against `marquee.evidence` on sampled runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from marquee.evidence.mixture import GRID, Question, Side, prior
from marquee.evidence.sample_ratio import CONCENTRATION
from tests.bench.canary.grid import WEIGHTS
from tests.bench.canary.simulating import Ledger

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]
Indices = NDArray[np.intp]
SLACK: Final = 1e-6
"""The screen's allowance for rounding, in ln E."""
_STEP: Final = 0.01
_INFORMATION: Final = np.concatenate([[0.0], np.exp(np.arange(math.log(1e-3), math.log(1e7), _STEP))])
"""Where the screen's table has entries. What lies between two takes the lower one's score, which is the smaller."""


@dataclass(frozen=True)
class Weigher:
    """One question, prepared for arrays."""

    question: Question
    alpha: float

    @property
    def sign(self) -> float:
        """Which way the alternative lies."""
        return -1.0 if self.question.side is Side.BELOW else 1.0

    def reached(self, ledger: Ledger, wanted: Truths) -> Truths:
        """Where E >= 1/alpha, of the (ratios, runs) that are wanted."""
        found = np.zeros_like(wanted)
        asked = np.flatnonzero(wanted.any(axis=1))
        places, columns = np.nonzero(wanted[asked] & self._possible(ledger, asked))
        if places.size:
            rows = asked[places]
            found[rows, columns] = self.log_e(ledger, rows, columns) >= -math.log(self.alpha)
        return found

    def log_e(self, ledger: Ledger, rows: Indices, columns: Indices) -> Floats:
        """Ln E of chosen (ratio, run) pairs, on the whole grid."""
        last = ledger.step + 1
        weights = np.array(prior(self.question))
        points = np.isfinite(weights)
        deltas = np.array(GRID)[points][:, None]
        logs = np.repeat(weights[points][:, None], rows.size, axis=1)
        for step in range(last):
            share = _share(ledger, step)[0, columns]
            canary = ledger.canary[step, rows, columns]
            outcomes = canary + ledger.stable[step, 0, columns]
            base = np.log1p(share * math.expm1(self.question.reference))
            logs += canary * (deltas - self.question.reference)
            logs -= outcomes * (np.log1p(share * np.expm1(deltas)) - base)
        return _log_sum_exp(logs)

    def _possible(self, ledger: Ledger, rows: Indices) -> Truths:
        score, information = self._moments(ledger, rows)
        score *= self.sign
        np.maximum(information, _INFORMATION[1], out=information)
        places = (np.log(information / _INFORMATION[1]) / _STEP).astype(np.intp)
        needed = _needed_scores(self.question, self.alpha)
        possible: Truths = score >= needed[np.minimum(places, needed.size - 1)]
        return possible

    def _moments(self, ledger: Ledger, rows: Indices) -> tuple[Floats, Floats]:
        """Score and information at the reference, (rows, runs)."""
        score = np.zeros((rows.size, ledger.canary.shape[2]))
        information = np.zeros_like(score)
        factor = math.exp(self.question.reference)
        for step in range(ledger.step + 1):
            share = _share(ledger, step)
            part = share * factor / (1 + share * (factor - 1))
            canary = ledger.canary[step, rows]
            outcomes = canary + ledger.stable[step]
            score += canary - outcomes * part
            information += outcomes * (part * (1 - part))
        return score, information


@lru_cache
def _needed_scores(question: Question, alpha: float) -> Floats:
    """For each information of the table, the least score at which E may reach 1/alpha; bisection."""
    weights = np.array(prior(question))
    points = np.isfinite(weights)
    distances = np.abs(np.array(GRID)[points] - question.reference)
    costs = weights[points] - _INFORMATION[:, None] * (np.expm1(-distances) + distances)
    low, high = np.zeros(_INFORMATION.size), 1e3 + _INFORMATION
    for _ in range(60):
        middle = (low + high) / 2
        enough = np.logaddexp.reduce(costs + middle[:, None] * distances, axis=1) >= -math.log(alpha) - SLACK
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return low


def _share(ledger: Ledger, step: int) -> Floats:
    exposures = ledger.canary_exposures[step] + ledger.stable_exposures[step]
    share: Floats = ledger.canary_exposures[step] / np.maximum(exposures, 1)
    return share


def _log_sum_exp(logs: Floats) -> Floats:
    """Over the first axis; destroys its argument, which is large and of no further use."""
    top: Floats = logs.max(axis=0)
    logs -= top
    np.exp(logs, out=logs)
    total: Floats = np.log(logs.sum(axis=0))
    return top + total


SPLIT_ALPHA: Final = 0.001


def log_e_of_splits(ledger: Ledger) -> Floats:
    """Ln E of the sample ratio over the ramp, (runs,), as `marquee.evidence.sample_ratio.check_split`."""
    logs = np.zeros((len(WEIGHTS), ledger.canary.shape[2]))
    for step in range(ledger.step + 1):
        share = WEIGHTS[step] / 100
        canary, stable = ledger.canary_exposures[step, 0], ledger.stable_exposures[step, 0]
        for count, part in ((canary, share), (stable, 1 - share)):
            start = CONCENTRATION * part
            logs[step] += gammaln(start + count) - gammaln(start) - count * math.log(part)
        logs[step] += gammaln(CONCENTRATION) - gammaln(CONCENTRATION + canary + stable)
    product = logs.sum(axis=0)
    average = _log_sum_exp(logs) - math.log(len(WEIGHTS))
    both: Floats = np.logaddexp(product, average) - math.log(2)
    return both
