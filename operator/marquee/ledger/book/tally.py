"""Changes of the integers, gathered during a transaction and written once at its end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, text

_LOW_BITS: Final = 32

_WRITE_COHORTS: Final = text("""
    INSERT INTO cohorts (rollout_id, place, exposures, requests, errors, slow, revision)
    VALUES (:rollout_id, :place, :exposures, :requests, :errors, :slow, 1)
    ON CONFLICT (rollout_id, place) DO UPDATE SET
        exposures = cohorts.exposures + excluded.exposures,
        requests = cohorts.requests + excluded.requests,
        errors = cohorts.errors + excluded.errors,
        slow = cohorts.slow + excluded.slow,
        revision = cohorts.revision + 1
""")

_WRITE_CREDITS: Final = text("""
    INSERT INTO credits (metric_id, place, successes, total, squares_high, squares_low, revision)
    VALUES (:metric_id, :place, :successes, :total, :squares_high, :squares_low, 1)
    ON CONFLICT (metric_id, place) DO UPDATE SET
        successes = credits.successes + excluded.successes,
        total = credits.total + excluded.total,
        squares_high = credits.squares_high + excluded.squares_high,
        squares_low = credits.squares_low + excluded.squares_low,
        revision = credits.revision + 1
""")


@dataclass(slots=True)
class _Cohort:
    exposures: int = 0
    requests: int = 0
    errors: int = 0
    slow: int = 0


@dataclass(slots=True)
class _Credit:
    successes: int = 0
    total: int = 0
    squares: int = 0


@dataclass(slots=True)
class Tally:
    """Differences by (rollout, place) and by (metric, place)."""

    _cohorts: defaultdict[tuple[int, int], _Cohort] = field(default_factory=lambda: defaultdict(_Cohort))
    _credits: defaultdict[tuple[int, int], _Credit] = field(default_factory=lambda: defaultdict(_Credit))

    def expose(self, rollout_id: int, place: int, units: int) -> None:
        """More (or fewer) units were first seen at a place."""
        if units:
            self._cohorts[rollout_id, place].exposures += units

    def count(self, rollout_id: int, place: int, *, requests: int, errors: int, slow: int) -> None:
        """More requests."""
        cohort = self._cohorts[rollout_id, place]
        cohort.requests += requests
        cohort.errors += errors
        cohort.slow += slow

    def credit(self, metric_id: int, place: int, *, before: int, after: int) -> None:
        """A unit's sum at a place changed; 0 is no outcome."""
        if before == after:
            return
        credit = self._credits[metric_id, place]
        credit.successes += (after > 0) - (before > 0)
        credit.total += after - before
        credit.squares += after * after - before * before

    def write(self, connection: Connection) -> None:
        """Add the differences to the rows, in the order of their keys: two writers cannot wait for each other."""
        if self._cohorts:
            connection.execute(_WRITE_COHORTS, [_cohort_row(*item) for item in sorted(self._cohorts.items(), key=_key)])
        if self._credits:
            connection.execute(_WRITE_CREDITS, [_credit_row(*item) for item in sorted(self._credits.items(), key=_key)])


def _key(item: tuple[tuple[int, int], object]) -> tuple[int, int]:
    return item[0]


def _cohort_row(key: tuple[int, int], cohort: _Cohort) -> dict[str, int]:
    return {
        "rollout_id": key[0],
        "place": key[1],
        "exposures": cohort.exposures,
        "requests": cohort.requests,
        "errors": cohort.errors,
        "slow": cohort.slow,
    }


def _credit_row(key: tuple[int, int], credit: _Credit) -> dict[str, int]:
    """Squares pass 64 bits, so they are kept as two numbers; each is a plain sum, and both stay far below 2^63.

    A unit's sum is below 2^31, so a square's high part is below 2^30: 2^33 units fit. The low part is below 2^32
    for each transaction: 2^31 transactions fit.
    """
    high, low = split_squares(credit.squares)
    return {
        "metric_id": key[0],
        "place": key[1],
        "successes": credit.successes,
        "total": credit.total,
        "squares_high": high,
        "squares_low": low,
    }


def split_squares(squares: int) -> tuple[int, int]:
    """The two numbers that are kept of a sum of squares."""
    return divmod(squares, 1 << _LOW_BITS)


def squares_of(high: int, low: int) -> int:
    """The sum of squares that two columns stand for."""
    return (high << _LOW_BITS) + low
