"""How far a number's mean moved since the baseline, in standard deviations, and how surely.

Each bin gets the mean that a standard normal variable has between the bin's quantiles in the baseline (normal scores,
van der Waerden 1952). A window's mean score is then 0 without drift and close to d after a shift of d standard
deviations, whatever the scale, and one value of a million counts as any other in the last bin. How much this mean
wavers between alike windows is measured, rows and days together, so the statistic is Student's t; days that differ in
level by their label (weekends) do not count as wavering.

What is usual is known from a few windows only, and their errors are common to all windows that are held against them:
a label's mean of W windows is off by s/sqrt(W) for ever, and s itself by a fifth where 28 windows gave it. Distances
from a baseline that stays fixed are therefore no independent evidence, and adding them up adds up those errors. So the
level learns: each window is predicted from all alike windows before it, then counts among them. These are the recursive
residuals of a regression (Brown, Durbin and Evans, Journal of the Royal Statistical Society B 37, 1975), each over the
pooled deviation of those before it. Without drift, if windows are normal with as many rows as the baseline's, they are
independent Student's t, exactly. A new shift is still seen whole by the first window of each label, and by four parts
in five by the second where the baseline has four.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.distributions import student_tail

_NORMAL: Final = NormalDist()
SMALLEST_TAIL: Final = 1e-15
"""Of Student's t, before it becomes a normal quantile: 7.9, far beyond any threshold."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A window's mean against its baseline."""

    size: float
    """In standard deviations of the feature, from what the windows before predict."""
    deviation: float
    """Standard deviation of ``size`` without drift: the window's own, and the prediction's."""
    normal: float
    """The shift as a standard normal variable without drift, whatever the windows before were."""
    weight: float = 1.0
    """How much of a usual window its rows make it worth, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Level:
    """Where a feature's mean usually is, and how it wavers, as far as windows have shown."""

    scores: tuple[float, ...]
    """By bin."""
    means: Mapping[str, float]
    """By label."""
    windows: Mapping[str, float]
    """By label: how many windows the mean is from; one of few rows is a part of one."""
    variance: float
    """Of a window's mean around its label's."""
    degrees: int
    """Degrees of freedom of ``variance``."""
    rows: float
    """Rows of a window of the baseline, harmonic mean."""

    def shift_of(self, window: Histogram, label: str) -> Shift | None:
        """The shift; None without rows, or where the label has no level."""
        if label not in self.means or not window.valid:
            return None
        size = _mean(self.scores, window) - self.means[label]
        fewer_rows = max(0.0, 1 / window.valid - 1 / self.rows)
        own = self.variance + fewer_rows
        deviation = math.sqrt(own + self.variance / self.windows[label])
        if deviation == 0:
            return None
        return Shift(size, deviation, _as_normal(size / deviation, self.degrees), self.variance / own)

    def after(self, label: str, shift: Shift | None) -> Level:
        """With the window of this shift among those that are usual; without a shift nothing is learnt."""
        if shift is None:
            return self
        before = self.windows[label]
        windows = before + shift.weight
        squares = self.variance * self.degrees + shift.size**2 * shift.weight * before / windows
        return replace(
            self,
            means={**self.means, label: self.means[label] + shift.size * shift.weight / windows},
            windows={**self.windows, label: windows},
            variance=squares / (self.degrees + 1),
            degrees=self.degrees + 1,
        )


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
    tail = max(student_tail(abs(statistic), degrees), SMALLEST_TAIL)
    return math.copysign(-_NORMAL.inv_cdf(tail), statistic)
