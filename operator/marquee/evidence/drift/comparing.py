"""A window's histogram against its baseline: two-sample chi-square with a design effect, and the size of the effect.

With counts O (n rows in the window), R (m rows in the baseline's W windows) and pooled shares p over B bins::

    X2 = sum_k (O_k/n - R_k/m)^2 / (p_k (1/n + 1/m))

is chi-square with B-1 degrees of freedom if rows are independent. They are not: days differ by more than their rows
explain, and with enough rows any two days do. That extra variation between alike windows is estimated from the
baseline itself: a window's share varies as ``p(1-p)(1/n + rho)``, with rho from the chi-square of homogeneity of the
baseline's windows by the method of moments, and X2 is divided by the resulting design effect. That is the
first-order correction of Rao and Scott (Annals of Statistics 12, 1984) with one intra-window correlation for all
bins. Where the extra variation lies in one direction, such as a mean that wavers, the tail is heavier than that of
chi-square; this is why a single window never asks for a retraining.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.distributions import chi_square_tail

MINIMUM_EXPECTED: Final = 5.0
"""Below it chi-square's tail is wrong (Cochran 1954): bins of fewer expected rows are merged with their neighbours."""
_SMOOTHING: Final = 0.5
"""Added to each bin for the population stability index, which an empty bin would make infinite (Jeffreys)."""

_Group = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One feature of a window against its baseline."""

    p_value: float
    """Probability of so large a difference, or a larger one, without drift."""
    stability_index: float
    """PSI, the size of the difference, less what rows of one distribution would show on average; never below 0. A mean
    shifted by d standard deviations gives d squared: 0.01 for a tenth."""
    design_effect: float
    """How much more alike windows vary than their rows explain; 1: not at all."""
    bins: int
    """Bins that were compared, after merging."""
    noise: float
    """PSI that chance alone stays below 99 times in 100; above the effect floor, the rows are too few."""


def compare(window: Histogram, baseline: Sequence[Histogram]) -> Comparison:
    """Compare. Without rows, or with less than two bins of enough rows, nothing differs and ``noise`` is infinite.

    Args:
        window: counts of the window.
        baseline: counts of the windows that it should be like, over the same bins. One of them has no extra variation.

    Raises:
        CountsError: they were not counted over the same bins, or the baseline is empty.

    """
    reference = total(baseline)
    rows, reference_rows = window.valid, (window + reference).valid - window.valid
    if not rows or not reference_rows:
        return Comparison(1.0, 0.0, 1.0, 0, math.inf)
    groups = _groups(window.bins, reference.bins)
    observed, expected = _merged(window.bins, groups), _merged(reference.bins, groups)
    degrees = len(groups) - 1
    if degrees < 1:
        return Comparison(1.0, 0.0, 1.0, len(groups), math.inf)
    spread = 1 / rows + 1 / reference_rows
    statistic = _statistic(observed, expected, spread)
    effect = 1 + _correlation([_merged(each.bins, groups) for each in baseline]) * _extra(baseline) / spread
    return Comparison(
        p_value=chi_square_tail(statistic / effect, degrees),
        stability_index=max(0.0, stability_index(observed, expected) - degrees * spread),
        design_effect=effect,
        bins=len(groups),
        noise=_chi_square_99(degrees) * spread * effect,
    )


def stability_index(observed: Sequence[int], expected: Sequence[int]) -> float:
    """Population stability index ``sum (q - p) ln(q / p)`` of two rows of counts, half a count added to each bin."""
    rows, reference_rows = (sum(counts) + _SMOOTHING * len(counts) for counts in (observed, expected))
    terms = []
    for seen, usual in zip(observed, expected, strict=True):
        share, reference = (seen + _SMOOTHING) / rows, (usual + _SMOOTHING) / reference_rows
        terms.append((share - reference) * math.log(share / reference))
    return math.fsum(terms)


def _statistic(observed: Sequence[int], expected: Sequence[int], spread: float) -> float:
    rows, reference_rows = sum(observed), sum(expected)
    both = rows + reference_rows
    return math.fsum(
        (seen / rows - usual / reference_rows) ** 2 * both / ((seen + usual) * spread)
        for seen, usual in zip(observed, expected, strict=True)
    )


def _correlation(windows: Sequence[Sequence[int]]) -> float:
    """rho: the extra variation of a share between alike windows, in units of p(1-p); 0 for fewer than two of them."""
    sizes = [sum(window) for window in windows]
    filled = list(compress(windows, sizes))
    sizes = [size for size in sizes if size]
    if len(filled) < 2:
        return 0.0
    rows = sum(sizes)
    shares: list[float] = [sum(column) / rows for column in zip(*filled, strict=True)]
    heterogeneity = math.fsum(
        (seen - size * share) ** 2 / (size * share)
        for window, size in zip(filled, sizes, strict=True)
        for seen, share in zip(window, shares, strict=True)
        if share
    )
    degrees = sum(share > 0 for share in shares) - 1
    if degrees < 1:
        return 0.0
    excess = heterogeneity - degrees * (len(filled) - 1)
    return max(0.0, excess / (degrees * (rows - sum(size * size for size in sizes) / rows)))


def _extra(baseline: Sequence[Histogram]) -> float:
    """How often rho counts in a difference: once for the window, and for the baseline as its windows average it out."""
    sizes = [histogram.valid for histogram in baseline]
    return 1 + sum(size * size for size in sizes) / sum(sizes) ** 2


def _groups(window: Sequence[int], reference: Sequence[int]) -> list[_Group]:
    """Ranges of neighbouring bins in each of which both sides expect enough rows; few bins of many rows stay alone."""
    both = sum(window) + sum(reference)
    needed = MINIMUM_EXPECTED * both / min(sum(window), sum(reference))
    groups: list[_Group] = []
    start, gathered = 0, 0
    for place, counts in enumerate(zip(window, reference, strict=True)):
        gathered += sum(counts)
        if gathered >= needed:
            groups.append((start, place + 1))
            start, gathered = place + 1, 0
    if groups and start < len(window):
        groups[-1] = (groups[-1][0], len(window))
    return groups


def _merged(bins: Sequence[int], groups: Iterable[_Group]) -> list[int]:
    return [sum(bins[start:end]) for start, end in groups]


def _chi_square_99(degrees: int) -> float:
    """The 99th percentile of chi-square, by the cube-root approximation of Wilson and Hilferty (1931)."""
    part = 2 / (9 * degrees)
    root = 1 - part + 2.3263478740408408 * math.sqrt(part)
    return degrees * root * root * root
