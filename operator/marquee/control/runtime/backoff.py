"""How long to wait after the n-th failure in a row: exponential, bounded, with jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double up to a ceiling; jitter keeps many failing callers from coming back at once."""

    initial_seconds: float = 0.2
    """Ceiling of the first wait, in seconds. Default 0.2: a conflict or a reset is gone after one round trip."""

    factor: float = 2.0
    """Growth from one failure to the next. Default 2: seven failures reach ten seconds."""

    maximum_seconds: float = 60.0
    """Ceiling of every wait, in seconds. Default 60: a repaired cluster is used within a minute."""

    jitter: float = 0.5
    """Share of a wait that is random, 0 to 1. Default 0.5: the wait lies between half its ceiling and all of it."""

    def ceiling_seconds(self, failures: int) -> float:
        """Return the longest wait after `failures` failures in a row (0 when there was none)."""
        if failures <= 0:
            return 0.0
        # Past 64 doublings every sensible setting sits at its ceiling; the bound keeps the power finite.
        return min(self.maximum_seconds, self.initial_seconds * self.factor ** min(failures - 1, 64))

    def delay_seconds(self, failures: int, rng: random.Random) -> float:
        """Draw the wait after `failures` failures in a row, between ``1 - jitter`` and 1 times the ceiling."""
        return self.ceiling_seconds(failures) * (1.0 - self.jitter * rng.random())
