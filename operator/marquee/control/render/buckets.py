"""Which buckets a rollout and a holdout take, and the regular expression by which a gateway knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from marquee.contract.assignment import BUCKETS

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """Buckets in a row on the circle of those from ``floor`` to 999: after 999 comes ``floor`` again.

    Raises:
        ValueError: it does not lie on that circle.

    """

    start: int
    size: int
    """Number of buckets; 0 for none."""

    floor: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.floor <= self.start < BUCKETS and 0 <= self.size <= BUCKETS - self.floor):
            raise ValueError(f"{self} is no interval of the buckets {self.floor} to {BUCKETS - 1}")

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        for run in self.runs():
            yield from run

    def __contains__(self, bucket: object) -> bool:
        return any(bucket in run for run in self.runs())

    def runs(self) -> tuple[range, ...]:
        """The same buckets as ranges of numbers: one, two where the interval goes on behind 999, none when empty."""
        end = self.start + self.size
        found = (range(self.start, min(end, BUCKETS)), range(self.floor, self.floor + max(0, end - BUCKETS)))
        return tuple(run for run in found if run)


EVERY_BUCKET: Final = Interval(0, BUCKETS)


def holdout_buckets(percent: int) -> Interval:
    """The buckets that never see a canary: always the same, so that their units stay kept apart for good."""
    return Interval(0, _whole_buckets(percent, of=BUCKETS))


def canary_buckets(rollout: str, weight: int, holdout_percent: int) -> Interval:
    """The buckets that a rollout's canary answers: ``weight`` percent of those outside of the holdout.

    They begin where the rollout's name says. A ramp therefore keeps every earlier canary bucket, and in another
    rollout other units go first.

    Args:
        rollout: The rollout's name.
        weight: Percent, 1 to 99.
        holdout_percent: 0 to 99.

    Raises:
        ValueError: the weight is out of bounds or no whole number of buckets, which the CRD's rules exclude.

    """
    if not 1 <= weight <= 99:
        raise ValueError(f"a canary's weight of {weight} % is not between 1 and 99")
    floor = len(holdout_buckets(holdout_percent))
    remaining = BUCKETS - floor
    offset = int.from_bytes(hashlib.sha256(rollout.encode()).digest(), "big") % remaining
    return Interval(floor + offset, _whole_buckets(weight, of=remaining), floor)


def pattern(interval: Interval) -> str:
    """An RE2 expression that matches exactly the interval's buckets, written with three digits.

    It is anchored and grouped: the Gateway API leaves open whether an implementation matches the whole value.

    Raises:
        ValueError: the interval is empty; RE2 has no expression for nothing.

    """
    if not interval:
        raise ValueError("no expression matches the buckets of an empty interval and nothing else")
    found = [
        text for run in interval.runs() for text in _alternatives(f"{run[0]:0{_DIGITS}d}", f"{run[-1]:0{_DIGITS}d}")
    ]
    return f"^{found[0]}$" if len(found) == 1 else f"^(?:{'|'.join(found)})$"


def _whole_buckets(percent: int, *, of: int) -> int:
    count, rest = divmod(of * percent, 100)
    if rest:
        raise ValueError(f"{percent} % of {of} buckets is no whole number of buckets")
    return count


def _alternatives(first: str, last: str) -> list[str]:
    """Expressions for the numbers from ``first`` to ``last``, which have equally many digits.

    The numbers that share the first digit of one end, but not all its remainders, are split on; all leading digits
    in between go with any remainder.
    """
    if not first or (set(first) == {"0"} and set(last) == {"9"}):
        return [_any_digits(len(first))]
    low, high = int(first[0]), int(last[0])
    if low == high:
        return [f"{low}{rest}" for rest in _alternatives(first[1:], last[1:])]
    before: list[str] = []
    after: list[str] = []
    if set(first[1:]) - {"0"}:
        before = [f"{low}{rest}" for rest in _alternatives(first[1:], "9" * len(first[1:]))]
        low += 1
    if set(last[1:]) - {"9"}:
        after = [f"{high}{rest}" for rest in _alternatives("0" * len(last[1:]), last[1:])]
        high -= 1
    between = [_one_digit(low, high) + _any_digits(len(first) - 1)] if low <= high else []
    return before + between + after


def _one_digit(low: int, high: int) -> str:
    return str(low) if low == high else f"[{low}-{high}]"


def _any_digits(count: int) -> str:
    return "" if count == 0 else "[0-9]" if count == 1 else f"[0-9]{{{count}}}"
