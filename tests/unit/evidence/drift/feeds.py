"""Feeds for the tests of drift: days of a few features, drawn with a seed."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from itertools import pairwise
from statistics import NormalDist

from marquee.evidence.drift.counting import Histogram, Window

EDGES = (-4.5, *(NormalDist().inv_cdf(step / 20) for step in range(1, 20)), 4.5)
"""Twenty equally likely ranges of a standard normal feature, and what lies outside of all that was seen."""
FEATURES = ("age", "income", "visits")
ROWS = 12_000
JITTER = 0.02
"""Standard deviation of a day's mean, in those of the feature."""


def histogram(values: list[float]) -> Histogram:
    """Values counted over `EDGES`."""
    counts = Counter(bisect_right(EDGES, value) for value in values)
    return Histogram(tuple(counts[place] for place in range(len(EDGES) + 1)))


def normal(rows: int, mean: float = 0.0, deviation: float = 1.0) -> Histogram:
    """Exactly as many rows in each bin as a normal distribution has, but for rounding."""
    shape = NormalDist(mean, deviation)
    below = [0, *(round(rows * shape.cdf(edge)) for edge in EDGES), rows]
    return Histogram(tuple(after - before for before, after in pairwise(below)))


def day(start: int, *, rows: int = ROWS, **means: float) -> Window:
    """One day of all features; weekends lie 0.3 higher, and every day wavers a little."""
    draw = random.Random(start)
    weekend = 0.3 if start % 7 >= 5 else 0.0
    features = {}
    for name in FEATURES:
        mean = draw.gauss(weekend + means.get(name, 0.0), JITTER)
        features[name] = _drawn(draw, mean, rows)
    return Window(start, label(start), features, rows)


def label(start: int) -> str:
    """The weekday."""
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[start % 7]


def weeks(count: int, *, first: int = 0, age: float = 0.0) -> list[Window]:
    """Days of so many weeks."""
    return [day(start, age=age) for start in range(first * 7, (first + count) * 7)]


def _drawn(draw: random.Random, mean: float, rows: int) -> Histogram:
    """As a multinomial draw, near enough: independent noise in each bin, less its sum in the bins' proportions."""
    expected = normal(rows, mean).bins
    noise = [draw.gauss(0, count**0.5) for count in expected]
    counts = [
        max(0, round(count + bump - sum(noise) * count / rows)) for count, bump in zip(expected, noise, strict=True)
    ]
    counts[len(counts) // 2] += rows - sum(counts)
    return Histogram(tuple(counts))
