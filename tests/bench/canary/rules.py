"""What other controllers do: the ratio of the arms' rates over a short window, and counted strikes.

All look at ``(k_c / n_c) / (k_s / n_s)`` over the last minutes, outcomes taken when reported, and fail a check where it
is below a limit. A window without a number (nothing seen in it) fails none: Prometheus answers NaN there, which both
controllers count as a failure, so the comparison is generous to them.

========= =====================================================================================================
threshold rolls back after so many failed checks in a row, a check a minute; window, strikes and limit are chosen
          and tuned by `tests.bench.canary.tuning`
Argo      Rollouts' background analysis: `interval: 5m`, `failureLimit: 3`, `successCondition: result[0] >= 0.8` over
          a query of `[5m]`. Failures add up; the run fails when they exceed the limit
Flagger   `interval: 1m`, `threshold: 10`, `thresholdRange: {min: 0.8}` with a metric `interval: 5m`. Failed checks add
          up and are never taken back; the canary is rolled back when they reach the threshold
========= =====================================================================================================

Argo's numbers are those of its documentation's Prometheus example, Flagger's those of "How it works", but for the
window of a minute there, which holds four conversions at 2,000 requests a minute and 5 percent.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.bench.canary.grid import RATIOS
from tests.bench.canary.simulating import Minute
from tests.bench.canary.weighing import Floats, Truths

LIMIT: Final = 0.8
WINDOW_MINUTES: Final = 5
ARGO_INTERVAL_MINUTES: Final = 5
ARGO_FAILURE_LIMIT: Final = 3
FLAGGER_THRESHOLD: Final = 10


@dataclass(frozen=True)
class Threshold:
    """The threshold rule: roll back where the ratio over a window was below a limit at so many looks in a row."""

    window_minutes: int
    strikes: int
    below: float = 0.0


class Window:
    """The arms' ratio over the last minutes."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._kept: deque[Minute] = deque()
        self._sum: Minute | None = None

    def see(self, minute: Minute) -> Floats | None:
        """Take one more minute; returns the ratio (ratios, runs), or None until the window is full."""
        self._kept.append(minute)
        self._sum = self._sum + minute if self._sum else minute
        if len(self._kept) > self.minutes:
            self._sum -= self._kept.popleft()
        return _ratio(self._sum) if len(self._kept) == self.minutes else None


class Streak:
    """The threshold rule's statistic: below any limit so many times in a row is what the largest of them is."""

    def __init__(self, strikes: int) -> None:
        self._last: deque[Floats] = deque(maxlen=strikes)

    def see(self, ratio: Floats | None) -> Floats | None:
        """Take one more ratio; returns the largest of the last ones, or None until there are enough."""
        if ratio is not None:
            self._last.append(ratio)
        return np.max(self._last, axis=0) if len(self._last) == self._last.maxlen else None


class Strikes:
    """Failed checks that add up, over a whole rollout: a check each ``interval`` minutes, the last one at ``most``."""

    def __init__(self, runs: int, *, interval: int, most: int) -> None:
        self.interval = interval
        self.most = most
        self.failed = np.zeros((len(RATIOS), runs), np.int64)

    def see(self, minute: int, ratio: Floats | None) -> None:
        """Check, if it is time; minutes count from 1."""
        if ratio is not None and minute % self.interval == 0:
            self.failed += ratio < LIMIT

    @property
    def out(self) -> Truths:
        """Runs that were rolled back."""
        out: Truths = self.failed >= self.most
        return out


def argo(runs: int) -> Strikes:
    """Argo Rollouts: the failure after the last one that is allowed."""
    return Strikes(runs, interval=ARGO_INTERVAL_MINUTES, most=ARGO_FAILURE_LIMIT + 1)


def flagger(runs: int) -> Strikes:
    """Flagger: a check a minute."""
    return Strikes(runs, interval=1, most=FLAGGER_THRESHOLD)


def _ratio(seen: Minute) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = (seen.canary * seen.stable_exposures) / (seen.canary_exposures * seen.stable)
    return np.nan_to_num(ratio, copy=False, nan=1.0, posinf=np.inf)
