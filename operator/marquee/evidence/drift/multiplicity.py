"""Many features, one rate of false discoveries (Benjamini and Hochberg, JRSS B 57, 1995)."""

from __future__ import annotations

from collections.abc import Mapping


def discoveries(p_values: Mapping[str, float], rate: float) -> frozenset[str]:
    """The names whose p-values are small even for the smallest of so many.

    Args:
        p_values: by name.
        rate: expected share of false ones among the discoveries, at most.

    """
    ordered = sorted(p_values.items(), key=lambda item: (item[1], item[0]))
    last = 0
    for rank, (_, p_value) in enumerate(ordered, start=1):
        if p_value <= rate * rank / len(ordered):
            last = rank
    return frozenset(name for name, _ in ordered[:last])
