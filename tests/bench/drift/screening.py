"""Days on which the product could ask for a retraining, found for a whole year at once.

The product replays weeks of windows for each day's verdict: half a second, and there are years to look at.
Here the accumulated shifts of all days are computed together, as the same formulas in arrays; `marquee.judging` then
judges the days that come near. How far the two differ is a figure of the benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from marquee.evidence.drift.accumulating import LARGEST
from marquee.evidence.drift.shifting import SMALLEST_TAIL, normal_scores
from tests.bench.drift.feeds import BASELINE, DRIFT, SETTINGS, Counts, Numbers

WEEK: Final = 7
_NEAR: Final = 0.5
"""Below the threshold of accumulated shifts: nearer than the two computations ever differ."""
_LARGEST_SUM: Final = 1e200
"""Far above every threshold, and another window's factor does not overflow it."""
_PSI_NEAR: Final = 0.9
"""Of the effect floor."""


@dataclass(frozen=True)
class Screened:
    """Of each day after the baseline."""

    log_sums: Numbers
    near: NDArray[np.bool_]
    """Whether a verdict `Retrain` is possible."""


def screen(counts: Counts) -> Screened:
    """From counts of shape (days, features, bins), the baseline first, rows being the same in all."""
    log_sums = accumulated(normal_means(counts))
    near = log_sums >= np.log(SETTINGS.windows_to_false_alarm) - _NEAR
    return Screened(log_sums, near | _severe_in_a_row(counts))


def normal_means(counts: Counts) -> Numbers:
    """Shape (days, features): the mean normal score of each window."""
    scores = np.array([normal_scores(bins) for bins in counts[:BASELINE].sum(axis=0).tolist()])
    return np.asarray(np.einsum("dfb,fb->df", counts, scores) / counts[0, 0].sum())


def accumulated(means: Numbers) -> Numbers:
    """By day after the baseline, ln of what has accumulated over the last `historyWindows`: of all days in step."""
    usual, later = means[:BASELINE], means[BASELINE:]
    days, features = later.shape
    by_label = usual.reshape(-1, WEEK, features)
    level = np.repeat(by_label.mean(axis=0)[None], days, axis=0)
    windows = np.full((days, WEEK), float(len(by_label)))
    squares = np.repeat(((by_label - by_label.mean(axis=0)) ** 2).sum(axis=(0, 1))[None], days, axis=0)
    degrees = np.full(days, float(BASELINE - WEEK))
    sums = np.zeros((days, features, 2 * len(SETTINGS.shifts)))
    for back in range(DRIFT.history_windows - 1, -1, -1):
        replayed = np.arange(max(back, 0), days)
        day = replayed - back
        label = day % WEEK
        known = windows[replayed, label][:, None]
        deviation = np.sqrt(squares[replayed] / degrees[replayed, None] * (1 + 1 / known))
        size = later[day] - level[replayed, label]
        sums[replayed] = _after(sums[replayed], _as_normal(size / deviation, degrees[replayed, None]), deviation)
        squares[replayed] += size**2 * known / (known + 1)
        level[replayed, label] += size / (known + 1)
        windows[replayed, label] += 1
        degrees[replayed] += 1
    return np.asarray(np.log(sums.mean(axis=(1, 2))))


def _after(sums: Numbers, normal: Numbers, deviation: Numbers) -> Numbers:
    delta = np.minimum(np.array(SETTINGS.shifts) / deviation[..., None], LARGEST)
    towards = delta * normal[..., None]
    steps = np.concatenate([towards, -towards], axis=-1) - np.concatenate([delta, delta], axis=-1) ** 2 / 2
    return np.asarray(np.minimum((1 + sums) * np.exp(steps), _LARGEST_SUM))


def _as_normal(statistic: Numbers, degrees: Numbers) -> Numbers:
    tail = np.maximum(stdtr(degrees, -np.abs(statistic)), SMALLEST_TAIL)
    return np.asarray(np.copysign(-ndtri(tail), statistic))


def stability_indexes(counts: Counts) -> Numbers:
    """Shape (days, features), after the baseline; the outermost bins, of 1 in 100,000, merged with their neighbours."""
    merged = counts[..., 1:-1].copy()
    merged[..., 0] += counts[..., 0]
    merged[..., -1] += counts[..., -1]
    expected = merged[:BASELINE].reshape(-1, WEEK, *merged.shape[1:]).sum(axis=0)
    later = merged[BASELINE:]
    usual = expected[np.arange(len(later)) % WEEK]
    share, reference = ((each + 0.5) / (each + 0.5).sum(axis=-1, keepdims=True) for each in (later, usual))
    chance = (merged.shape[-1] - 1) * (1 / later[0, 0].sum() + 1 / usual[0, 0].sum())
    index = ((share - reference) * np.log(share / reference)).sum(axis=-1) - chance
    return np.asarray(np.maximum(index, 0))


def _severe_in_a_row(counts: Counts) -> NDArray[np.bool_]:
    """Days that end a run of windows in which one feature's stability index comes near the effect floor."""
    severe = stability_indexes(counts) >= _PSI_NEAR * SETTINGS.effect_floor
    run = severe.copy()
    for back in range(1, SETTINGS.confirmations):
        run[back:] &= severe[:-back]
        run[:back] = False
    return np.asarray(run.any(axis=1))
