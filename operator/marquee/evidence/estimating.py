"""How large is the effect? The ratio of the arms' rates, with an interval that holds at every look.

The interval is what the two-sided mixture does not reject: ``{delta : l(delta) > ln sum_g pi_g e^l(delta_g) +
ln alpha}`` with l the log likelihood of `marquee.evidence.mixture`, which is concave, so it is an interval indeed.
Cohorts are compared within themselves; the numbers stay right when weight and base rate both change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from marquee.evidence.counts import Tally
from marquee.evidence.errors import require_alpha
from marquee.evidence.mixture import TWO_SIDED, canary_part, log_ratio, weigh

_WIDEST: Final = 12.0
"""Beyond a factor of 160,000 a bound says nothing: it is given as 0 or infinity."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Rate of the canary over rate of stable: 0.8 is a loss of 20 percent."""

    estimate: float
    lower: float
    upper: float


def estimate_ratio(tallies: Sequence[Tally], alpha: float) -> Ratio | None:
    """Estimate and interval over all cohorts; None while there is nothing to compare. Raises `QuestionError`."""
    require_alpha(alpha)
    cohorts = [tally for tally in tallies if tally.compares and tally.outcomes]
    if not cohorts:
        return None
    floor = weigh(TWO_SIDED, cohorts).log_e + math.log(alpha)

    def height(delta: float) -> float:
        return math.fsum(log_ratio(tally.share, tally.canary, tally.stable, delta, 0.0) for tally in cohorts) - floor

    top = _crossing(lambda delta: _slope(cohorts, delta), -_WIDEST, _WIDEST)
    lower = -_WIDEST if height(-_WIDEST) >= 0 else _crossing(lambda delta: -height(delta), -_WIDEST, top)
    upper = _WIDEST if height(_WIDEST) >= 0 else _crossing(height, top, _WIDEST)
    return Ratio(_ratio(top), _ratio(lower), _ratio(upper))


def _slope(cohorts: Sequence[Tally], delta: float) -> float:
    """Derivative of the log likelihood: canary's outcomes less those expected."""
    return math.fsum(tally.canary - tally.outcomes * canary_part(tally.share, delta) for tally in cohorts)


def _crossing(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function passes zero, by bisection; an end when it does not."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def _ratio(delta: float) -> float:
    if abs(delta) > _WIDEST - 1e-6:
        return 0.0 if delta < 0 else math.inf
    return math.exp(delta)
