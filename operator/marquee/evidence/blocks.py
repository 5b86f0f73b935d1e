"""a2: is the canary worse, where the base rate is large? An e-value of 2x2 blocks.

a1 treats outcomes as Poisson counts and loses power when a third or more of the exposures succeed. a2 compares the
exposures themselves. Per block, with exposures n_a, n_b, outcomes k_a, k_b (a: canary, b: stable) and rates theta_a,
theta_b predicted from earlier blocks alone (Beta prior 0.18)::

    E_j = theta_a^k_a (1-theta_a)^(n_a-k_a) theta_b^k_b (1-theta_b)^(n_b-k_b) / (theta_0^k (1-theta_0)^(n-k))
    theta_0 = (n_a theta_a + n_b theta_b) / n

Turner, Ly and Grünwald, Generic E-variables for exact sequential k-sample tests that allow for optional stopping
(arXiv 2106.02693). Where the prediction does not say "worse" nothing is bet: E_j = 1. The product is then an
e-process for "the canary is no worse" in every block, whatever the rates are and however they drift.

*How blocks are formed.* A block is the increment of the ledger's integers between two looks, `increments`. A look's
time must not depend on outcomes: a clock, or a number of exposures. A block's outcomes must be those of its own
exposures, so a2 is for what is known at once (an error, a slow answer, a click) and refuses outcomes that are late;
a1 takes those.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from marquee.evidence.counts import NOTHING, Tally
from marquee.evidence.errors import CountsError
from marquee.evidence.mixture import Direction

BETA_PRIOR: Final = 0.18
"""Pseudo-counts of a success and of a failure in the prediction of a rate (Turner, Ly and Grünwald, section 4)."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The state: what earlier blocks added up to, and ln E so far. It may be stored and taken up again."""

    direction: Direction
    past: Tally = NOTHING
    log_e: float = 0.0

    def prediction(self) -> tuple[float, float] | None:
        """Rates of canary and stable for the next block; None while the past does not say that the canary is worse."""
        canary = _predicted(self.past.canary, self.past.canary_exposures)
        stable = _predicted(self.past.stable, self.past.stable_exposures)
        worse = canary < stable if self.direction is Direction.HIGHER_IS_BETTER else canary > stable
        return (canary, stable) if worse else None

    def observe(self, block: Tally) -> Blocks:
        """The state after a block: first the bet on it, then what it teaches."""
        rates = self.prediction()
        gain = log_e_of_block(block, *rates) if rates else 0.0
        return replace(self, past=self.past + block, log_e=self.log_e + gain)


def log_e_of_block(block: Tally, canary_rate: float, stable_rate: float) -> float:
    """Logarithm of E_j for rates in (0, 1) that were predicted before the block."""
    if not block.compares:
        return 0.0
    pooled = block.share * canary_rate + (1 - block.share) * stable_rate
    return math.fsum(
        [
            block.canary * math.log(canary_rate / pooled),
            (block.canary_exposures - block.canary) * (math.log1p(-canary_rate) - math.log1p(-pooled)),
            block.stable * math.log(stable_rate / pooled),
            (block.stable_exposures - block.stable) * (math.log1p(-stable_rate) - math.log1p(-pooled)),
        ]
    )


def weigh_blocks(direction: Direction, blocks: Iterable[Tally]) -> Blocks:
    """The state after blocks in the order in which they were seen; the order matters, each teaches the next."""
    state = Blocks(direction)
    for block in blocks:
        state = state.observe(block)
    return state


def increments(looks: Iterable[Tally]) -> tuple[Tally, ...]:
    """Blocks between looks at one cohort's growing totals; the first block begins at nothing.

    Raises `CountsError` when totals shrink, or grow by more outcomes than exposures.
    """
    totals = (NOTHING, *looks)
    return tuple(_increment(f"looks[{index}]", *pair) for index, pair in enumerate(pairwise(totals)))


def _increment(path: str, before: Tally, after: Tally) -> Tally:
    try:
        return after - before
    except CountsError as error:
        raise CountsError(
            path,
            f"{after} does not follow from {before}",
            "pass growing totals of one cohort, and use a1 where outcomes come later than exposures",
        ) from error


def _predicted(outcomes: int, exposures: int) -> float:
    return (outcomes + BETA_PRIOR) / (exposures + 2 * BETA_PRIOR)
