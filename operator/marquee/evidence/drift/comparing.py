"""A window's histogram against its baseline: two-sample chi-square of days that waver, and the size of the effect.

With counts O (n rows in the window), R (m rows in the baseline's W windows) and pooled shares p over B bins::

    X2 = sum_k (O_k/n - R_k/m)^2 / (p_k (1/n + 1/m))

is chi-square with B-1 degrees of freedom if rows are independent. They are not: days differ by more than their rows
explain, and with enough rows any two days do. That extra variation, in the window and in the few windows that its
baseline is made of, is estimated from the baseline itself, and X2 is held against the tail that it has with it: see
`wavering`. A baseline that is off by its own few days is part of that tail. Over many baselines a day is a false
alarm as often as promised, but one that is off stays so: false alarms of one weekday come together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.evidence.drift.binning import groups_of, merged
from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.distributions import chi_square_quantile
from marquee.evidence.drift.wavering import NOTHING_KNOWN, Wavering, wavering_tail

_SMOOTHING: Final = 0.5
"""Added to each bin for the population stability index, which an empty bin would make infinite (Jeffreys)."""
_IN_99_OF_100: Final = 2.3263478740408408
"""Standard normal quantile."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One feature of a window against its baseline."""

    p_value: float
    """Probability of so large a difference, or a larger one, without drift."""
    stability_index: float
    """PSI, the size of the difference, less what rows of one distribution would show on average; never below 0. A mean
    shifted by d standard deviations gives d squared: 0.01 for a tenth."""
    design_effect: float
    """How many times the difference of alike windows varies by what their rows explain, mean over the bins; 1: rows
    are all. The p-value takes more than this mean, see `wavering`."""
    bins: int
    """Bins that were compared, after merging."""
    noise: float
    """PSI that the rows' chance stays below 99 times in 100, times the design effect; above the effect floor, the rows
    are too few."""


def compare(window: Histogram, baseline: Sequence[Histogram], wavering: Wavering = NOTHING_KNOWN) -> Comparison:
    """Compare. Without rows, or with less than two bins of enough rows, nothing differs and ``noise`` is infinite.

    Args:
        window: counts of the window.
        baseline: counts of the windows that it should be like, over the same bins.
        wavering: by how much alike windows of the feature differ; by default no more than their rows explain.

    Raises:
        CountsError: they were not counted over the same bins, or the baseline is empty.

    """
    reference = total(baseline)
    both = window + reference
    rows, reference_rows = window.valid, both.valid - window.valid
    if not rows or not reference_rows:
        return Comparison(1.0, 0.0, 1.0, 0, math.inf)
    groups = groups_of(both.bins, min(rows, reference_rows) / both.valid)
    observed, expected = merged(window.bins, groups), merged(reference.bins, groups)
    degrees = len(groups) - 1
    if degrees < 1:
        return Comparison(1.0, 0.0, 1.0, len(groups), math.inf)
    spread = 1 / rows + 1 / reference_rows
    scale = _days(baseline) / spread
    effect = 1 + max(0.0, wavering.extra) * scale / degrees
    return Comparison(
        p_value=wavering_tail(_statistic(observed, expected, spread), degrees, wavering, scale),
        stability_index=max(0.0, stability_index(observed, expected) - degrees * spread),
        design_effect=effect,
        bins=len(groups),
        noise=chi_square_quantile(_IN_99_OF_100, degrees) * spread * effect,
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


def _days(baseline: Sequence[Histogram]) -> float:
    """How often a day's variance counts in a difference: once for the window, and as the baseline averages it out."""
    sizes = [histogram.valid for histogram in baseline]
    return 1 + sum(size * size for size in sizes) / sum(sizes) ** 2
