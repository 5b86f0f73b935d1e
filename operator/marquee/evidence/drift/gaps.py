"""Whether realised performance has left what the scores promise: a gap that stays, beyond chance and beyond days.

Days waver by more than their rows explain. By how much is estimated from the windows before, from differences between
neighbours (von Neumann, Annals of Mathematical Statistics 12, 1941), so that a score that is off by the same share each
day is no noise. A window's gap is held against Student's t with the degrees of freedom of that estimate. One window
alone is no change: it takes several in a row, to the same side. A gap that did not last was noise; one that did
teaches nothing of it.

On independent windows whose noise was 1 to 400 times what rows explain, an alarm began in 7 of 672,000 at the
defaults and without a floor: one in 260 years of days. The same estimate of noise serves neighbouring
windows, which is why that is more than ``alpha``^``confirmations``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final

from marquee.evidence.drift.distributions import student_tail
from marquee.evidence.drift.realising import Difference, Gap, Realised
from marquee.evidence.errors import QuestionError, require_alpha

_EFFICIENCY: Final = 2 / 3
"""Of a variance from differences of neighbours, which counts each twice."""


@dataclass(frozen=True, slots=True)
class GapSettings:
    """When a gap matters."""

    alpha: float = 0.01
    """Of one window and one kind of gap, without a change."""
    calibration: float = 0.1
    """Outcomes more or fewer than promised, as a share of them, below which a gap matters to nobody."""
    area: float = 0.02
    """Area under the curve below the promised one, likewise."""
    confirmations: int = 3
    """Windows in a row."""
    minimum_windows: int = 7
    """Before noise is known: each weekday once."""

    def __post_init__(self) -> None:
        require_alpha(self.alpha)
        if min(self.calibration, self.area) < 0:
            raise QuestionError("calibration", "a gap is below 0", "give shares, such as 0.1")
        if self.confirmations < 1 or self.minimum_windows < 2:
            raise QuestionError("confirmations", "is below 1, or minimum_windows below 2", "give whole numbers")


class GapTier(StrEnum):
    """What a window shows."""

    CONCEPT_DRIFT = "ConceptDrift"
    INSUFFICIENT_DATA = "InsufficientData"
    """Noise is not known yet."""
    STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class Judged:
    """A window beside those before it."""

    realised: Realised
    tier: GapTier
    p_values: Mapping[Gap, float] = field(default_factory=dict)
    noise: Mapping[Gap, float] = field(default_factory=dict)
    """How many times the variance of alike windows is what their rows explain; at least 1."""
    streaks: Mapping[Gap, int] = field(default_factory=dict)
    """Windows in a row that gape: above 0 upwards, below 0 downwards."""


@dataclass(slots=True)
class _Course:
    """One gap, window by window."""

    quiet: list[float] = field(default_factory=list)
    """Residuals of windows that did not gape, and of gaps that did not last: those were noise."""
    pending: list[float] = field(default_factory=list)
    """Of the windows that gape now."""
    streak: int = 0
    """Their number, below 0 downwards."""

    def take(self, residual: float, side: int, confirmations: int) -> None:
        """One more; ``side`` is 0 where it does not gape."""
        if side == 0 or side * self.streak < 0:
            if abs(self.streak) < confirmations:
                self.quiet += self.pending
            self.pending, self.streak = [], 0
        if side == 0:
            self.quiet.append(residual)
        else:
            self.pending.append(residual)
            self.streak += side


def judge_gaps(windows: Iterable[Realised], settings: GapSettings) -> tuple[Judged, ...]:
    """Each usable window after those before it; what is unusable neither confirms nor takes back.

    Args:
        windows: in their order.
        settings: when a gap matters.

    """
    courses = {gap: _Course() for gap in Gap}
    found: list[Judged] = []
    for window in windows:
        if window.unusable is not None or window.differences is None:
            continue
        p_values, noise = {}, {}
        for gap, difference in window.differences.items():
            course, side = courses[gap], 0
            if len(course.quiet) >= settings.minimum_windows:
                noise[gap] = noise_of(course.quiet)
                p_values[gap] = _p_value(gap, difference, noise[gap], len(course.quiet))
                side = _side(gap, difference, p_values[gap], settings)
            course.take(difference.residual, side, settings.confirmations)
        streaks = {gap: courses[gap].streak for gap in window.differences if courses[gap].streak}
        found.append(Judged(window, _tier(p_values, streaks, settings), p_values, noise, streaks))
    return tuple(found)


def noise_of(residuals: Sequence[float]) -> float:
    """Variance of residuals whose level may drift slowly, at least 1: what their rows explain."""
    squares = [(later - before) ** 2 for before, later in pairwise(residuals)]
    return max(1.0, math.fsum(squares) / (2 * len(squares))) if squares else 1.0


def _p_value(gap: Gap, difference: Difference, noise: float, windows: int) -> float:
    degrees = max(1.0, _EFFICIENCY * (windows - 1))
    statistic = difference.residual / math.sqrt(noise)
    if gap is Gap.DISCRIMINATION:
        return student_tail(-statistic, degrees)
    return 2 * student_tail(abs(statistic), degrees)


def _side(gap: Gap, difference: Difference, p_value: float, settings: GapSettings) -> int:
    """1 or -1 when the window gapes upwards or downwards. A better area than promised is no gap."""
    floor = settings.area if gap is Gap.DISCRIMINATION else settings.calibration
    if p_value > settings.alpha or abs(difference.effect) < floor:
        return 0
    return 1 if difference.effect > 0 else -1


def _tier(p_values: Mapping[Gap, float], streaks: Mapping[Gap, int], settings: GapSettings) -> GapTier:
    if any(abs(length) >= settings.confirmations for length in streaks.values()):
        return GapTier.CONCEPT_DRIFT
    return GapTier.STABLE if p_values else GapTier.INSUFFICIENT_DATA
