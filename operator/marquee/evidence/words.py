"""Numbers as people read them: 2,000 and not 2000, 41.2 and not 41.1738, about 3 h and not 10,713 s."""

from __future__ import annotations

import math
from typing import Final

from marquee.evidence.counts import Tally

_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_LONGEST_SECONDS: Final = 365 * 86_400.0
_LARGEST_E: Final = 1e6


def counts(tally: Tally) -> str:
    """Both arms, canary first."""
    return f"{tally.canary:,} of {tally.canary_exposures:,} against {tally.stable:,} of {tally.stable_exposures:,}"


def e_value(log_e: float) -> str:
    """An e-value from its logarithm, to three or four digits."""
    if log_e > math.log(_LARGEST_E):
        return f"over {_LARGEST_E:,.0f}"
    value = math.exp(log_e)
    if value < 0.01:
        return "under 0.01"
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 1_000 else f"{value:,.0f}"


def threshold(alpha: float) -> str:
    """1 / alpha."""
    return f"{1 / alpha:,.4g}"


def duration(seconds: float) -> str:
    """One unit, at most two digits where the unit allows: '40 s', '37 min', '3 h', '2.5 d'."""
    if seconds > _LONGEST_SECONDS:
        return "more than a year"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= 1.5 * size or unit == "s")
    amount = seconds / size
    return f"{amount:.1f} {unit}".replace(".0 ", " ") if unit in "dh" and amount < 10 else f"{amount:.0f} {unit}"


def percent(fraction: float) -> str:
    """'20 %', '2.5 %'."""
    return f"{100 * fraction:.3g} %"
