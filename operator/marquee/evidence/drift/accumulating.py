"""Shifts too small to see in one window, added up over windows: an e-detector with a bound on false alarms.

Without drift a window's shift is a standard normal z, whatever the windows before were (`shifting`). For a shift of d
standard deviations, with the deviation s of what is predicted and delta = d/s, ``e = exp(delta z - delta^2/2)`` has
expectation 1. The Shiryaev-Roberts sum

    S <- (1 + S) e

adds the products from every possible beginning: a drift may begin at any time. E[S] after T windows is at most T, so
the expected time until S >= c is at least c (Shin, Ramdas and Rinaldo, E-detectors, arXiv 2203.03532). The average
over shifts, directions and features keeps the bound, so one threshold serves for a whole model.

The bound holds for windows that follow each other once. The operator begins anew each day, with the baseline and the
last weeks: each sum then begins so many windows ago, and the bound over all days together is no longer proven. The
benchmark measures it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.evidence.drift.shifting import Shift
from marquee.evidence.mixture import log_sum_exp

LARGEST: Final = 6.0
"""delta at most: a larger one would find a large shift no sooner and lose the smaller ones of the same kind."""


@dataclass(frozen=True, slots=True)
class Detector:
    """What has added up of one feature: ``ln S`` for each shift, upwards and downwards in turn."""

    shifts: tuple[float, ...]
    """Looked for, in standard deviations of the feature."""
    log_sums: tuple[float, ...]

    @classmethod
    def new(cls, shifts: Sequence[float]) -> Detector:
        """Nothing has added up."""
        return cls(tuple(shifts), (-math.inf,) * (2 * len(shifts)))

    def after(self, shift: Shift | None) -> Detector:
        """With one more window; without a shift nothing is learnt."""
        if shift is None:
            return self
        log_sums = []
        for place, before in enumerate(self.log_sums):
            delta = min(self.shifts[place // 2] / shift.deviation, LARGEST)
            towards = shift.normal if place % 2 == 0 else -shift.normal
            log_sums.append(log_sum_exp((0.0, before)) + delta * towards - delta * delta / 2)
        return Detector(self.shifts, tuple(log_sums))

    @property
    def log_sum(self) -> float:
        """Logarithm of the average of S."""
        return log_sum_exp(self.log_sums) - math.log(len(self.log_sums))


def log_sum_of(detectors: Sequence[Detector]) -> float:
    """Logarithm of the average over features; without drift it reaches ln c after c windows or later, on average."""
    if not detectors:
        return -math.inf
    return log_sum_exp(detector.log_sum for detector in detectors) - math.log(len(detectors))
