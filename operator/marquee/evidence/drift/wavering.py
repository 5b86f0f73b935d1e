"""How much alike windows waver by more than their rows explain, and the tail of chi-square where they do.

A window's shares are ``p + e``, with the rows' multinomial noise and a day's own deviation in e. Whitened by p, the
noise has variance 1/n in each of k directions, and the day a covariance of unknown shape with trace tau. Days waver in
few directions, such as a mean that moves; tau says how much in all, not where. A two-sample chi-square X2 is then a
sum of k squared normals with weights 1 and larger ones that add up to ``k + T``, T being tau in units of the
difference's noise (Rao and Scott, Annals of Statistics 12, 1984). Their first-order correction divides by the mean
weight, which is right on average and far too light in the tail: a single weight of 9 among 19 makes p = .0002 of
what happens in 3 of 100 windows. Two moments (Satterthwaite) are still off by 30 there.

Of all shapes with the same T the far tail is heaviest where one direction has everything (Szekely and Bakirov,
Extremal probabilities for Gaussian quadratic forms, Probability Theory and Related Fields 126, 2003: from 1.54 times
the mean on). So that is assumed::

    X2 ~ chi2(k-1) + (1 + T) t2,    t Student's with the degrees of freedom of the windows that gave T

Student's t instead of a normal variable, as T is a scale that nu windows gave. They gave it through the rows' noise in
the other k-1 directions, too: that part of the estimate is off by ``sqrt(2 (k-1) / nu)`` of a weight, which T does not
know of when it is small. The tail is averaged over it: a generalised p-value (Tsui and Weerahandi, Journal of the
American Statistical Association 84, 1989; Weerahandi, the same 86, 1991, for components of variance). Both averages are
Gauss-Hermite sums, over the estimate and over chi2(k-1) (its quantiles by Wilson and Hilferty 1931).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from marquee.evidence.drift.binning import MINIMUM_EXPECTED, groups_of, merged
from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.distributions import chi_square_quantile, chi_square_tail, student_tail

_THREE: Final = ((-1.7320508075688772, 1 / 6), (0.0, 2 / 3), (1.7320508075688772, 1 / 6))
_SEVEN: Final = (
    (-3.750439717725742, 0.0005482688559722178),
    (-2.3667594107345416, 0.030757123967586494),
    (-1.1544053947399682, 0.24012317860501273),
    (0.0, 0.4571428571428572),
    (1.1544053947399682, 0.24012317860501273),
    (2.3667594107345416, 0.030757123967586494),
    (3.750439717725742, 0.0005482688559722178),
)
"""Nodes and weights of Gauss-Hermite quadrature for a standard normal variable."""
_FEWEST: Final = 0.1
"""Of the median's rows: a window of fewer tells little of days, and would have all bins merged for its sake."""


@dataclass(frozen=True, slots=True)
class Wavering:
    """Of one feature: what its baseline's windows have shown, each beside those of its label."""

    extra: float = 0.0
    """tau: the sum over directions of the extra variance of a window's whitened shares; below 0 by chance."""
    error: float = 0.0
    """Standard error of ``extra`` by the rows' noise."""
    degrees: float = 0.0
    """Degrees of freedom of the days in ``extra``; 0: no label has two windows, and nothing is known of days."""


NOTHING_KNOWN: Final = Wavering()


def wavering_of(baseline: Mapping[str, Sequence[Histogram]]) -> Wavering:
    """From the windows of a baseline, by label, by the method of moments.

    The chi-square of homogeneity of a label's windows of n_w rows expects ``k (W-1) + tau (N - sum n_w^2 / N)``; all
    labels together give tau. Days count by their rows in it, so its degrees of freedom are those of a quadratic form
    with these weights (Satterthwaite, Biometrics Bulletin 2, 1946); with as many rows in all: windows less labels.
    Windows of less than a tenth of the median's rows are left out.

    Raises:
        CountsError: they were not counted over the same bins.

    """
    sizes = [each.valid for found in baseline.values() for each in found if each.valid]
    fewest = max(_FEWEST * median(sizes), MINIMUM_EXPECTED) if sizes else math.inf
    telling = [[each for each in found if each.valid >= fewest] for _, found in sorted(baseline.items())]
    labels = [found for found in telling if len(found) > 1]
    if not labels:
        return NOTHING_KNOWN
    everything = total(each for found in labels for each in found)
    groups = groups_of(everything.bins, min(each.valid for found in labels for each in found) / everything.valid)
    parts = [_of_label([merged(each.bins, groups) for each in found]) for found in labels]
    free, excess, weight, squares = (math.fsum(column) for column in zip(*parts, strict=True))
    if not free:
        return NOTHING_KNOWN
    others = max(0.0, free - sum(len(found) - 1 for found in labels))
    return Wavering(excess / weight, math.sqrt(2 * others) / weight, weight**2 / squares)


def wavering_tail(statistic: float, degrees: int, wavering: Wavering, scale: float) -> float:
    """P(X2 >= statistic) without drift, of the two-sample chi-square of windows that waver.

    Args:
        statistic: X2.
        degrees: k, bins less one.
        wavering: of the feature's windows.
        scale: how much of X2 a unit of tau makes.

    """
    if not wavering.degrees:
        return chi_square_tail(statistic, degrees)
    found = []
    for doubt, weight in _THREE:
        largest = 1 + max(0.0, (wavering.extra + doubt * wavering.error) * scale)
        for place, of_place in _SEVEN:
            rest = statistic - chi_square_quantile(place, degrees - 1)
            tail = 2 * student_tail(math.sqrt(rest / largest), wavering.degrees) if rest > 0 else 1.0
            found.append(weight * of_place * tail)
    return min(1.0, math.fsum(found))


def _of_label(windows: Sequence[Sequence[int]]) -> tuple[float, float, float, float]:
    """Degrees of freedom of the chi-square of homogeneity, its excess over them, the weight of tau in it, and the sum
    of the squared weights of the days.
    """
    sizes = [sum(window) for window in windows]
    rows = sum(sizes)
    shares = [sum(column) / rows for column in zip(*windows, strict=True)]
    heterogeneity = math.fsum(
        (seen - size * share) ** 2 / (size * share)
        for window, size in zip(windows, sizes, strict=True)
        for seen, share in zip(window, shares, strict=True)
        if share
    )
    free = (sum(share > 0 for share in shares) - 1) * (len(windows) - 1)
    second, third = _power(sizes, 2), _power(sizes, 3)
    # of integers, as one large window among small ones would leave nothing but rounding
    squares = (second * rows**2 - 2 * third * rows + second**2) / rows**2
    return free, heterogeneity - free, (rows**2 - second) / rows, squares


def _power(sizes: Iterable[int], exponent: int) -> int:
    return sum(size**exponent for size in sizes)
