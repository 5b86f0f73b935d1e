"""The grid: what traffic, base rate, delay, split and effect the simulated rollouts have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

BASE_RATE: Final = 0.04
"""Conversions per exposure of stable, as in the specification's ledger."""
WEIGHTS: Final = (5, 10, 25, 50)
"""The ramp, percent; the last step lasts until the horizon."""
STEP_MINUTES: Final = 30
ALPHA: Final = 0.05
MARGIN: Final = 0.05
RATIOS: Final = (0.5, 0.8, 0.9, 0.95, 1.0, 1.1)
"""Canary's rate over stable's, ascending. 0.95 is the edge of the margin."""
NULL: Final = RATIOS.index(1.0)
LOSSES: Final[Mapping[str, int]] = {"50": RATIOS.index(0.5), "20": RATIOS.index(0.8), "10": RATIOS.index(0.9)}
"""Losses whose time to rollback is read, by percent."""
PER_MINUTE: Final = (200, 2_000, 20_000)
DELAYS_MINUTES: Final = (0, 60, 240)
"""Mean of the exponential time from exposure to report of an outcome."""
SHARE_FACTORS: Final = (1.0, 0.8, 1.2)
"""Realised over nominal share of the canary."""


def _flat(_: int) -> tuple[float, float]:
    return 1.0, 1.0


def _diurnal(minute: int) -> tuple[float, float]:
    """From four hours after the evening's peak into the night, where the day's curve is steepest.

    Against the peak, the whole day's traffic falls to a quarter and its base rate to a third; of these four hours the
    first minute has 81 and 83 percent, the last one 44 and 50.
    """
    phase = math.cos(2 * math.pi * (minute + 240) / 1_440)
    return 0.625 + 0.375 * phase, (2 + phase) / 3


def _step(minute: int) -> tuple[float, float]:
    """A campaign halves the base rate while the second step runs, and brings half as much traffic again."""
    return (1.5, 0.5) if 40 <= minute < 160 else (1.0, 1.0)


PATTERNS: Final[Mapping[str, Callable[[int], tuple[float, float]]]] = {
    "flat": _flat,
    "diurnal": _diurnal,
    "step": _step,
}
"""Factors on traffic and base rate, by the minute of the rollout."""


@dataclass(frozen=True)
class Group:
    """The six cells that differ by the canary's effect alone: they share exposures and stable's outcomes."""

    pattern: str
    per_minute: int
    delay_minutes: int
    share_factor: float

    @property
    def name(self) -> str:
        """For progress and seeds."""
        return f"{self.pattern}, {self.per_minute}/min, delay {self.delay_minutes} min, share x{self.share_factor:g}"

    def generator(self, seed: int) -> np.random.Generator:
        """Random numbers of its own, the same for the same seed."""
        return np.random.default_rng([seed, *self.name.encode()])

    @property
    def plain(self) -> bool:
        """Flat, at once, and as promised: where rules are tuned and times are read."""
        return (self.pattern, self.delay_minutes, self.share_factor) == ("flat", 0, 1.0)


def groups() -> tuple[Group, ...]:
    """All 81."""
    return tuple(Group(*axes) for axes in product(PATTERNS, PER_MINUTE, DELAYS_MINUTES, SHARE_FACTORS))


def step_at(minute: int) -> int:
    """The step of the ramp, from 0."""
    return min(minute // STEP_MINUTES, len(WEIGHTS) - 1)
