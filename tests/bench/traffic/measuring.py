"""Figures of a run from its answers alone: who answered, when, and to whom."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from marquee.control.render.buckets import canary_buckets


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction that arrived."""

    at: float
    """By the monotonic clock, in seconds."""
    revision: str
    bucket: int | None
    """Of the user; None: the request named none."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A time in which one weight was in force from beginning to end."""

    rollout: str
    canary: str
    weight: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some requests the canary answered."""

    canary: int = 0
    requests: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.canary + other.canary, self.requests + other.requests)

    @property
    def value(self) -> float:
        """From 0 to 1; 0 of none."""
        return self.canary / self.requests if self.requests else 0.0

    def standard_error(self, nominal: float) -> float:
        """Standard deviation of the share by chance alone, when each request goes to the canary with that chance."""
        return math.sqrt(nominal * (1 - nominal) / self.requests) if self.requests else math.inf


@dataclass(frozen=True, slots=True)
class Shares:
    """Both ways in which a request finds its arm."""

    with_bucket: Share = Share()
    """The user's bucket decides."""
    without: Share = Share()
    """The gateway draws."""
    astray: int = 0
    """Requests with a bucket that the other arm answered."""

    def __add__(self, other: Shares) -> Shares:
        return Shares(self.with_bucket + other.with_bucket, self.without + other.without, self.astray + other.astray)


def shares(answers: Iterable[Answer], hold: Hold) -> Shares:
    """The shares while a weight was in force."""
    buckets = frozenset(canary_buckets(hold.rollout, hold.weight, 0))
    found = Shares()
    for answer in answers:
        if not hold.begin <= answer.at <= hold.end:
            continue
        by_canary = answer.revision == hold.canary
        one = Share(int(by_canary), 1)
        if answer.bucket is None:
            found += Shares(without=one)
        else:
            found += Shares(with_bucket=one, astray=int(by_canary != (answer.bucket in buckets)))
    return found


def seconds_until_gone(answers: Iterable[Answer], revision: str, since: float) -> float:
    """From a moment to the last answer of a revision; 0 when it gave none after."""
    return max([0.0, *(answer.at - since for answer in answers if answer.revision == revision)])
