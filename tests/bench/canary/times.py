"""First minutes at which something held, for many runs at once."""

from __future__ import annotations

import numpy as np

from tests.bench.canary.weighing import Floats, Truths


class Times:
    """Minutes from 1, by run along the last axis; infinite where it never held."""

    def __init__(self, *shape: int) -> None:
        self.first: Floats = np.full(shape, np.inf)
        self.open: Truths = np.ones(shape, dtype=bool)
        """Where it has not held yet."""

    def note(self, held: Truths, minute: int) -> None:
        """Remember the first time."""
        new = held & self.open
        self.first[new] = minute
        self.open ^= new

    def fractions(self) -> tuple[float, ...]:
        """Runs where it ever held."""
        return tuple((~self.open).mean(axis=-1).tolist())

    def medians(self) -> tuple[float, ...]:
        """Minutes; infinite where fewer than half came to it."""
        return tuple(np.median(self.first, axis=-1).tolist())
