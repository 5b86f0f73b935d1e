"""How far a number's mean moved since the baseline, in standard deviations, and how surely.

Each bin gets the mean that a standard normal variable has between the bin's quantiles in the baseline (normal scores,
van der Waerden 1952). A window's mean score is then 0 without drift and close to d after a shift of d standard
deviations, whatever the scale, and one value of a million counts as any other in the last bin. How much this mean
wavers between alike windows is measured on the baseline, rows and days together, so the statistic is Student's t; days
that differ in level by their label (weekends) do not count as wavering.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.distributions import student_tail

_NORMAL: Final = NormalDist()
_SMALLEST_TAIL: Final = 1e-15
"""Of Student's t, before it becomes a normal quantile: 7.9, far beyond any threshold."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A window's mean against its baseline."""

    size: float
    """In standard deviations of the feature."""
    deviation: float
    """Standard deviation of ``size`` without drift."""
    normal: float
    """The shift as a standard normal variable without drift."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a feature's mean usually is, and how it wavers."""

    scores: tuple[float, ...]
    """By bin."""
    means: Mapping[str, float]
    """By label."""
    windows: Mapping[str, int]
    """By label: how many windows the mean is from."""
    variance: float
    """Of a window's mean around its label's."""
    degrees: int
    """Degrees of freedom of ``variance``."""
    rows: float
    """Rows of a window, harmonic mean."""

    def shift_of(self, window: Histogram, label: str) -> Shift | None:
        """The shift; None without rows, or where the label has no level."""
        if label not in self.means or not window.valid:
            return None
        size = _mean(self.scores, window) - self.means[label]
        fewer_rows = max(0.0, 1 / window.valid - 1 / self.rows)
        deviation = math.sqrt((self.variance + fewer_rows) * (1 + 1 / self.windows[label]))
        if deviation == 0:
            return None
        return Shift(size, deviation, _as_normal(size / deviation, self.degrees))


def level_of(baseline: Mapping[str, Sequence[Histogram]]) -> Level | None:
    """The level of a feature from its baseline, by label; None where no label has two windows with rows."""
    filled = {label: [each for each in found if each.valid] for label, found in sorted(baseline.items())}
    filled = {label: found for label, found in filled.items() if found}
    degrees = sum(len(found) - 1 for found in filled.values())
    if degrees < 1:
        return None
    scores = normal_scores(total(each for found in filled.values() for each in found).bins)
    by_label = {label: [_mean(scores, each) for each in found] for label, found in filled.items()}
    means = {label: math.fsum(found) / len(found) for label, found in by_label.items()}
    squares = math.fsum((mean - means[label]) ** 2 for label, found in by_label.items() for mean in found)
    sizes = [each.valid for found in filled.values() for each in found]
    return Level(
        scores=scores,
        means=means,
        windows={label: len(found) for label, found in by_label.items()},
        variance=squares / degrees,
        degrees=degrees,
        rows=len(sizes) / math.fsum(1 / size for size in sizes),
    )


def normal_scores(counts: Sequence[int]) -> tuple[float, ...]:
    """By bin, the mean of a standard normal variable between the bin's quantiles; 0 for all where there are no rows."""
    rows, below = sum(counts), 0
    scores = []
    for count in counts:
        if count:
            scores.append((_density(below / rows) - _density((below + count) / rows)) * rows / count)
        else:
            scores.append(_NORMAL.inv_cdf(below / rows) if 0 < below < rows else math.nan)
        below += count
    return _without_gaps(scores)


def _without_gaps(scores: Sequence[float]) -> tuple[float, ...]:
    """Bins beyond all rows of the baseline score like the last bin that has some."""
    known = [score for score in scores if not math.isnan(score)]
    low, high = (known[0], known[-1]) if known else (0.0, 0.0)
    filled = []
    seen = False
    for score in scores:
        seen = seen or not math.isnan(score)
        filled.append((high if seen else low) if math.isnan(score) else score)
    return tuple(filled)


def _density(quantile: float) -> float:
    """Of the standard normal at a quantile."""
    return _NORMAL.pdf(_NORMAL.inv_cdf(quantile)) if 0 < quantile < 1 else 0.0


def _mean(scores: Sequence[float], window: Histogram) -> float:
    return math.fsum(score * count for score, count in zip(scores, window.bins, strict=True)) / window.valid


def _as_normal(statistic: float, degrees: int) -> float:
    """The normal quantile with the same tail as Student's t."""
    tail = max(student_tail(abs(statistic), degrees), _SMALLEST_TAIL)
    return math.copysign(-_NORMAL.inv_cdf(tail), statistic)
