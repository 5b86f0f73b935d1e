"""How many people a figure must be about before it is shown outside of the team that computed it."""

from __future__ import annotations

from typing import Final

SMALLEST_GROUP: Final = 10
"""k of k-anonymity (Sweeney 2002): a count below it could be traced to somebody, and so can what is counted of it."""


def disclosed(count: int) -> bool:
    """Whether a group of that many, and what was counted of it, may be shown."""
    return count >= SMALLEST_GROUP


def count_in_words(count: int) -> str:
    """A count as it may be shown: with commas, or that there are too few."""
    return f"{count:,}" if disclosed(count) else f"fewer than {SMALLEST_GROUP}"
