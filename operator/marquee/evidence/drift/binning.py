"""Neighbouring bins of too few rows, merged: chi-square's tail is wrong where less than five are expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

MINIMUM_EXPECTED: Final = 5.0
"""Rows (Cochran, Biometrics 10, 1954)."""

Group = tuple[int, int]
"""First bin, and the one after the last."""


def groups_of(counts: Sequence[int], share: float) -> list[Group]:
    """Ranges of neighbouring bins in each of which the smallest side expects enough rows; few bins of many rows stay
    alone.

    Args:
        counts: of all sides together.
        share: of them, the smallest side's.

    """
    needed = MINIMUM_EXPECTED / share
    groups: list[Group] = []
    start, gathered = 0, 0
    for place, count in enumerate(counts):
        gathered += count
        if gathered >= needed:
            groups.append((start, place + 1))
            start, gathered = place + 1, 0
    if groups and start < len(counts):
        groups[-1] = (groups[-1][0], len(counts))
    return groups


def merged(bins: Sequence[int], groups: Iterable[Group]) -> list[int]:
    """Counts by group."""
    return [sum(bins[start:end]) for start, end in groups]
