"""The integers that all evidence is computed from: what the ledger keeps per cohort and arm.

They are sufficient: two ledgers with the same integers give the same evidence, whatever happened in between.
Counts are Python integers, so sums are exact; a count above 2**53 is refused, because the logarithms downstream
are doubles and would round it without a word. Sums of values have no such bound: they are only divided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise
from typing import Final

from marquee.evidence.errors import CountsError

MAX_COUNT: Final = 2**53
_SUMS: Final = frozenset({"value_sum", "value_squares"})


def _require_count(path: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CountsError(path, f"{value!r} is no integer", "pass the ledger's integer as it is")
    if value < 0:
        raise CountsError(path, f"{value} is negative", "counts only grow; read the ledger again")
    if value > MAX_COUNT and path not in _SUMS:
        raise CountsError(path, f"{value} is above 2**53", "no ledger counts so far: look for a sender gone wild")


class Count(StrEnum):
    """Which integer of an arm a proportion is about."""

    SUCCESSES = "successes"
    ERRORS = "errors"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Arm:
    """What happened to the exposures of one arm in one cohort.

    ``value_sum`` and ``value_squares`` are the sum and the sum of squares of the outcomes' values in whole minor
    units of the currency (cents), each value cut at the metric's cap before it was added. ``errors`` and ``slow``
    count exposures, not requests: a unit that fails ten times is one error, else its requests would be taken for
    independent. Raises `CountsError`.
    """

    exposures: int
    successes: int = 0
    value_sum: int = 0
    value_squares: int = 0
    errors: int = 0
    slow: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _require_count(field.name, getattr(self, field.name))
        for part in Count:
            if self.count(part) > self.exposures:
                raise CountsError(
                    part.value,
                    f"{self.count(part):,} of {self.exposures:,} exposures",
                    "count each exposure once: a unit's first success, its first error",
                )
        self._require_values()

    def _require_values(self) -> None:
        squares_of_integers = self.value_squares >= self.value_sum
        if not squares_of_integers or self.value_sum**2 > self.successes * self.value_squares:
            raise CountsError(
                "value_squares",
                f"{self.value_squares} is no sum of squares of {self.successes:,} whole values that add up to "
                f"{self.value_sum}",
                "add the value and its square of every success, in whole minor units and after the cap",
            )

    def count(self, which: Count) -> int:
        """One of the proportions' integers."""
        return int(getattr(self, which.value))


@dataclass(frozen=True, slots=True)
class Tally:
    """One count of one cohort: exposures and outcomes of both arms."""

    canary_exposures: int
    stable_exposures: int
    canary: int
    stable: int

    def __post_init__(self) -> None:
        for field in fields(self):
            _require_count(field.name, getattr(self, field.name))
        if self.canary > self.canary_exposures or self.stable > self.stable_exposures:
            raise CountsError("tally", f"{self} has more outcomes than exposures", "count a unit's first outcome only")

    @property
    def outcomes(self) -> int:
        """Those of both arms."""
        return self.canary + self.stable

    @property
    def share(self) -> float:
        """The canary's realised share of the exposures, 0..1; 0 without exposures."""
        exposures = self.canary_exposures + self.stable_exposures
        return self.canary_exposures / exposures if exposures else 0.0

    @property
    def compares(self) -> bool:
        """Whether both arms were exposed at all: one arm alone says nothing about the other."""
        return self.canary_exposures > 0 and self.stable_exposures > 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


NOTHING: Final = Tally(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The exposures of one step at one weight, and all that became of them, whenever it was reported.

    ``weight`` is the nominal share of the canary in percent; None where nobody promised one (replica ratio).
    ``period`` numbers slices of time within the step, where the ledger keeps them; else it is 0.
    """

    step: int
    canary: Arm
    stable: Arm
    weight: int | None = None
    period: int = 0

    def __post_init__(self) -> None:
        for name in ("step", "period"):
            _require_count(name, getattr(self, name))
        for name, arm in (("canary", self.canary), ("stable", self.stable)):
            if not isinstance(arm, Arm):
                raise CountsError(name, "is missing", "give the counts of both arms, zeros where nothing was seen")
        if self.weight is not None:
            _require_count("weight", self.weight)
            if self.weight > 100:
                raise CountsError("weight", f"{self.weight} is more than 100", "give the canary's percentage")

    def tally(self, which: Count) -> Tally:
        """Both arms' exposures with one count."""
        return Tally(self.canary.exposures, self.stable.exposures, self.canary.count(which), self.stable.count(which))


def in_order(cohorts: Iterable[Cohort]) -> tuple[Cohort, ...]:
    """By step and period: the one order in which evidence is computed. Raises `CountsError` for a cohort given
    twice, and for a step with two weights.
    """
    ordered = tuple(sorted(cohorts, key=lambda cohort: (cohort.step, cohort.period)))
    for earlier, later in pairwise(ordered):
        if earlier.step != later.step:
            continue
        where = f"cohorts[step={later.step}]"
        if earlier.period == later.period:
            raise CountsError(where, f"period {later.period} is given twice", "add up what belongs to one cohort")
        if earlier.weight != later.weight:
            raise CountsError(
                where, f"has weights {earlier.weight} and {later.weight}", "start a new step when the weight changes"
            )
    return ordered


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum, for people to read: never the basis of a test, which must compare within cohorts."""
    return sum(tallies, NOTHING)
