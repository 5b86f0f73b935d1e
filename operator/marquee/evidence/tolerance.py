"""Is a rate below a tolerated limit? For guardrails whose events are too rare to be compared.

Two arms with no error in 100,000 answers each say nothing about the *ratio* of their error rates, so a3 alone would
hold such a rollout for ever. A guardrail may therefore name a rate that is tolerated in itself. The null is that
each exposure fails with probability at least ``limit``, given the past; the e-value mixes likelihood ratios of
smaller rates q against it::

    E = mean over q of (q / limit)^k ((1 - q) / (1 - limit))^(n - k)

A product of betting scores that are each at most 1 in expectation under the null (Waudby-Smith and Ramdas,
Estimating means of bounded random variables by betting, arXiv 2010.09686), so it holds at every look.
"""

from __future__ import annotations

import math
from typing import Final

from marquee.evidence.errors import QuestionError
from marquee.evidence.mixture import log_sum_exp

FRACTIONS: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""The rates q that are bet on, as fractions of the limit."""


def log_e_below(limit: float, exposures: int, events: int) -> float:
    """Logarithm of E that fewer than ``limit`` (a fraction of the exposures) fail. Raises `QuestionError`."""
    if not 0 < limit < 1:
        raise QuestionError("toleratedRate", f"{limit!r} is no rate", "give a fraction between 0 and 1, such as 0.01")
    logs = (
        events * math.log(fraction) + (exposures - events) * (math.log1p(-fraction * limit) - math.log1p(-limit))
        for fraction in FRACTIONS
    )
    return log_sum_exp(logs) - math.log(len(FRACTIONS))


def either(first: float, second: float) -> float:
    """Logarithm of E for "one of two": the average of two e-values is one under every null that both are valid for."""
    return log_sum_exp((first, second)) - math.log(2)
