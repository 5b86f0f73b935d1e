"""Ledgers for the tests of the evidence: the golden one, and what hypothesis draws."""

from __future__ import annotations

from hypothesis import strategies as st

from marquee.evidence.counts import Arm, Cohort, Count, Tally
from marquee.evidence.mixture import Direction
from marquee.evidence.policy import Policy, Proportion

HIGHER, LOWER = Direction.HIGHER_IS_BETTER, Direction.LOWER_IS_BETTER

GOLDEN = (
    Tally(1_000, 19_000, 34, 760),
    Tally(2_000, 18_000, 66, 720),
    Tally(5_000, 15_000, 170, 600),
    Tally(10_000, 10_000, 330, 400),
)
"""The ledger of the specification, one cohort a step."""
WEIGHTS = (5, 10, 25, 50)

CONVERSION = Proportion("conversion", Count.SUCCESSES, HIGHER, margin=0.05)
ERRORS = Proportion("errors", Count.ERRORS, LOWER, margin=0.5, tolerated_rate=0.01)
SLOW = Proportion("slow", Count.SLOW, LOWER, margin=0.2)


def golden_cohorts(steps: int = 4) -> tuple[Cohort, ...]:
    """The first steps of the golden ledger."""
    pairs = zip(GOLDEN[:steps], WEIGHTS, strict=False)
    return tuple(a_cohort(tally, step=step, weight=weight) for step, (tally, weight) in enumerate(pairs))


def a_cohort(tally: Tally, *, step: int = 0, weight: int | None = None, period: int = 0, errors: int = 0) -> Cohort:
    """A cohort of conversions, with as many errors in each arm."""
    canary = Arm(tally.canary_exposures, tally.canary, tally.canary * 10, tally.canary * 100, errors=errors)
    stable = Arm(tally.stable_exposures, tally.stable, tally.stable * 10, tally.stable * 100, errors=errors)
    return Cohort(step, canary, stable, weight, period)


def a_policy(*guardrails: Proportion, alpha: float = 0.05, steps: int = 4) -> Policy:
    """Conversions, and guardrails where asked."""
    return Policy(CONVERSION, guardrails, alpha, steps)


@st.composite
def tallies(draw: st.DrawFn, most: int = 20_000) -> Tally:
    """Any cohort in which both arms were exposed."""
    canary = draw(st.integers(1, most))
    stable = draw(st.integers(1, most))
    return Tally(canary, stable, draw(st.integers(0, canary)), draw(st.integers(0, stable)))


ledgers = st.lists(tallies(), min_size=1, max_size=5)
directions = st.sampled_from(Direction)
