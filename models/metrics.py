"""How good scores are: log loss, AUC, lift, calibration error; and how sure a cross-validated difference is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]

_SMALLEST_PROBABILITY: Final = 1e-12


def log_losses(probability: Numbers, label: Labels) -> Numbers:
    """Minus the log-likelihood of each row, in nats."""
    of_label = np.where(label, probability, 1 - probability)
    return np.asarray(-np.log(np.maximum(of_label, _SMALLEST_PROBABILITY)))


def auc(score: Numbers, label: Labels) -> float:
    """Area under the ROC curve; ties count half."""
    positives = int(label.sum())
    ranks = rankdata(score)
    return float((ranks[label].sum() - positives * (positives + 1) / 2) / (positives * (len(label) - positives)))


def lift(score: Numbers, label: Labels, share: float) -> float:
    """Rate of positives among the ``share`` of rows with the highest scores, over the rate among all.

    Rows that tie at the cut share the places that are left, so that the order of the rows cannot matter.
    """
    places = share * len(score)
    cut = np.sort(score)[::-1][max(math.ceil(places) - 1, 0)]
    above, at = score > cut, score == cut
    found = label[above].sum() + label[at].mean() * (places - above.sum())
    return float(found / places / label.mean())


def calibration_error(probability: Numbers, label: Labels, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size; equal probabilities share a bin."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    bin_of = np.searchsorted(edges, probability, side="right")
    gaps = np.bincount(bin_of, weights=probability - label)
    return float(np.abs(gaps).sum() / len(label))


@dataclass(frozen=True)
class Difference:
    """A mean difference with its 95 % interval."""

    mean: float
    low: float
    high: float


def resampled_difference(per_fold: Numbers, *, folds: int) -> Difference:
    """Interval of a mean over repeated cross-validation, by the corrected resampled t-test.

    The folds' differences depend on each other through shared training rows; the plain t-interval would be far
    too narrow. The variance is inflated by (1/n + test/train) instead of 1/n.

    C. Nadeau, Y. Bengio, Inference for the Generalization Error, Machine Learning 52 (2003), section 3.1.

    Args:
        per_fold: one mean difference per fold and repeat.
        folds: number of folds of one repeat.

    """
    count = len(per_fold)
    variance = float(per_fold.var(ddof=1)) * (1 / count + 1 / (folds - 1))
    half = float(t.ppf(0.975, count - 1)) * math.sqrt(variance)
    mean = float(per_fold.mean())
    return Difference(mean, mean - half, mean + half)


def paired_difference(per_row: Numbers) -> Difference:
    """Interval of the mean of independent differences, by the normal approximation."""
    half = 1.96 * float(per_row.std(ddof=1)) / math.sqrt(len(per_row))
    mean = float(per_row.mean())
    return Difference(mean, mean - half, mean + half)
