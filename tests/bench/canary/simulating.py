"""Rollouts minute by minute, all runs at once: integers as the ledger keeps them.

Units arrive as a Poisson process, a coin gives each to an arm, each converts at most once, and the report comes after
an exponential delay. Outcomes are credited to the step of their exposure.

The six effects share one canary: a unit that converts at half of stable's rate converts at each higher rate too. The
canary's units are drawn by kind, the lowest rate at which a unit converts. Parts of a Poisson process that is split
by coins are independent Poisson processes, so each effect taken alone is exactly the model above: outcomes are
binomial, given the exposures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tests.bench.canary.grid import BASE_RATE, PATTERNS, RATIOS, WEIGHTS, Group, step_at

Integers = NDArray[np.int64]
_KINDS = np.diff(RATIOS, prepend=0.0)
"""Parts of stable's rate by which each effect's rate is above the one before."""


@dataclass
class Ledger:
    """Cumulative counts. Shapes: exposures and stable (steps, 1, runs), canary (steps, ratios, runs)."""

    canary_exposures: Integers
    stable_exposures: Integers
    canary: Integers
    stable: Integers
    step: int = 0

    @classmethod
    def empty(cls, runs: int) -> Ledger:
        """Before the first minute."""
        shape = (len(WEIGHTS), 1, runs)
        canary = np.zeros((len(WEIGHTS), len(RATIOS), runs), np.int64)
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64), canary, np.zeros(shape, np.int64))


@dataclass(frozen=True)
class Minute:
    """What came in one minute, by time of arrival, as a monitoring rule sees it. Shapes (1 or ratios, runs)."""

    canary_exposures: Integers
    stable_exposures: Integers
    canary: Integers
    stable: Integers

    def __add__(self, other: Minute) -> Minute:
        return Minute(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: Minute) -> Minute:
        return Minute(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


def simulate(group: Group, runs: int, minutes: int, generator: np.random.Generator) -> Iterator[tuple[Ledger, Minute]]:
    """Yield the ledger, changed in place, and the minute's arrivals after each minute."""
    ledger = Ledger.empty(runs)
    waiting = np.zeros((len(WEIGHTS), len(RATIOS) + 1, runs), np.int64)
    reported = -np.expm1(-1 / group.delay_minutes) if group.delay_minutes else 1.0
    for minute in range(minutes):
        ledger.step = step = step_at(minute)
        exposures, converting = _units(group, minute, runs, generator)
        ledger.canary_exposures[step] += exposures[0]
        ledger.stable_exposures[step] += exposures[1]
        waiting[step] += converting
        coming = _report(waiting[: step + 1], reported, generator)
        canary = np.cumsum(coming[:, :-1], axis=1)
        stable = coming[:, -1:]
        ledger.canary[: step + 1] += canary
        ledger.stable[: step + 1] += stable
        yield ledger, Minute(exposures[:1], exposures[1:], canary.sum(axis=0), stable.sum(axis=0))


def _units(group: Group, minute: int, runs: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """Exposures of canary and stable (2, runs); those that convert, canary's by kind and stable's last."""
    traffic, drift = PATTERNS[group.pattern](minute)
    units, rate = group.per_minute * traffic, BASE_RATE * drift
    share = WEIGHTS[step_at(minute)] / 100 * group.share_factor
    canary, stable = units * share, units * (1 - share)
    converting = np.append(canary * rate * _KINDS, stable * rate)
    never = [canary * (1 - rate * RATIOS[-1]), stable * (1 - rate)]
    drawn = generator.poisson(np.append(converting, never)[:, None], (len(converting) + 2, runs))
    exposures = drawn[-2:] + np.stack([drawn[:-3].sum(axis=0), drawn[-3]])
    return exposures, drawn[:-2]


def _report(pending: Integers, reported: float, generator: np.random.Generator) -> Integers:
    """Take those whose report comes in this minute."""
    coming = pending.copy() if reported == 1 else generator.binomial(pending, reported)
    pending -= coming
    return coming
