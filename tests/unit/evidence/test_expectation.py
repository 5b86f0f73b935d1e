"""What a1 and a3 claim, enumerated: the expectation of E under every null, summed over every possible ledger.

Three nulls, from the one that the martingale claims to the one that a rollout lives in:

1. *Outcomes*: exposures are given, and each outcome comes from the canary with probability theta(delta), whatever
   came before. E is a martingale at the reference and a supermartingale beyond it. Nothing is asked of how many
   outcomes there are, so the base rate may drift.
2. *Units*: each unit has at most one outcome. The expectation is at most 1 at every single look.
3. *Randomised exposures*: units arrive one by one, each is given to the canary by a coin, and E is computed at the
   share realised so far. The expectation is at most 1 at every single look; the best stopping rule, which knows all
   rates, gains a few percent in a small cohort. The bound that is documented is checked here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from marquee.evidence.counts import Tally
from marquee.evidence.mixture import TWO_SIDED, Question, Side, harm, noninferiority, weigh
from tests.unit.evidence.builders import HIGHER, LOWER

MANY = 10**6
QUESTIONS = {
    "harm, conversions": harm(HIGHER),
    "harm, errors": harm(LOWER),
    "non-inferiority, conversions": noninferiority(HIGHER, 0.1),
    "non-inferiority, errors": noninferiority(LOWER, 0.5),
    "two-sided": TWO_SIDED,
}
EXACT = 1e-9
STOPPING_GAIN = 0.05


def theta(share: float, delta: float) -> float:
    """The canary's part of the outcomes."""
    return share * math.exp(delta) / (1 + share * math.expm1(delta))


def binomial(successes: int, trials: int, rate: float) -> float:
    """Probability of so many successes."""
    return math.comb(trials, successes) * rate**successes * (1 - rate) ** (trials - successes)


def beyond(question: Question, distance: float) -> float:
    """An effect in the null, so far from the reference."""
    return question.reference + (distance if question.side is Side.BELOW else -distance)


def expectation_given_outcomes(question: Question, cohorts: list[tuple[float, int, float]]) -> float:
    """Of E, for cohorts of (share, outcomes, true delta)."""
    total = 0.0
    for canary in product(*(range(outcomes + 1) for _, outcomes, _ in cohorts)):
        chance, tallies = 1.0, []
        for (share, outcomes, delta), k in zip(cohorts, canary, strict=True):
            chance *= binomial(k, outcomes, theta(share, delta))
            exposed = round(share * MANY)
            tallies.append(Tally(exposed, MANY - exposed, k, outcomes - k))
        total += chance * math.exp(weigh(question, tallies).log_e)
    return total


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("shares", [(0.05, 0.1), (0.1, 0.5), (0.5, 0.9)])
def test_given_outcomes_e_has_expectation_one_at_the_reference(name: str, shares: tuple[float, float]) -> None:
    """Exactly one: nothing is wasted, nothing is claimed too much, over cohorts of different shares."""
    question = QUESTIONS[name]
    cohorts = [(share, outcomes, question.reference) for share, outcomes in zip(shares, (7, 5), strict=True)]
    assert expectation_given_outcomes(question, cohorts) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "two-sided"])
@pytest.mark.parametrize("distances", [(0.0, 0.3), (0.1, 0.0), (0.5, 1.0), (3.0, 0.02)])
def test_given_outcomes_e_has_expectation_below_one_beyond_the_reference(
    name: str, distances: tuple[float, float]
) -> None:
    """The null is composite, and the true effect may differ from cohort to cohort."""
    question = QUESTIONS[name]
    cohorts = [(0.1, 7, beyond(question, distances[0])), (0.4, 5, beyond(question, distances[1]))]
    assert expectation_given_outcomes(question, cohorts) < 1


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_next_outcome_is_a_fair_bet(name: str) -> None:
    """From any state, in any cohort, the expectation after one more outcome is the E there was."""
    question = QUESTIONS[name]
    for canary, stable, other in product((0, 1, 4), (0, 2, 9), (0, 3)):
        before = [Tally(100_000, 900_000, canary, stable), Tally(500_000, 500_000, other, 2)]
        e = math.exp(weigh(question, before).log_e)
        for cohort, tally in enumerate(before):
            after = [
                math.exp(weigh(question, [*before[:cohort], grown, *before[cohort + 1 :]]).log_e)
                for grown in (replace(tally, canary=tally.canary + 1), replace(tally, stable=tally.stable + 1))
            ]
            part = theta(tally.share, question.reference)
            assert part * after[0] + (1 - part) * after[1] == pytest.approx(e, rel=EXACT)


@pytest.mark.parametrize("alpha", [0.5, 0.2])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_looking_after_every_outcome_rejects_with_probability_alpha_at_most(alpha: float, share: float) -> None:
    """Ville's inequality, exactly: the chance that E ever reaches 1/alpha within 60 outcomes of equal versions."""
    exposed = round(share * MANY)
    alive, crossed = {0: 1.0}, 0.0
    for outcomes in range(1, 61):
        grown: dict[int, float] = {}
        for canary, chance in alive.items():
            grown[canary + 1] = grown.get(canary + 1, 0.0) + chance * share
            grown[canary] = grown.get(canary, 0.0) + chance * (1 - share)
        alive = {}
        for canary, chance in grown.items():
            e = weigh(harm(HIGHER), [Tally(exposed, MANY - exposed, canary, outcomes - canary)])
            if e.log_e >= -math.log(alpha):
                crossed += chance
            else:
                alive[canary] = chance
    assert 0 < crossed <= alpha
    assert crossed + sum(alive.values()) == pytest.approx(1)


def expectation_of_units(question: Question, cohorts: list[tuple[int, int, float, float]]) -> float:
    """Of E, for cohorts of (canary's units, stable's units, canary's rate, stable's rate)."""

    def outcomes_of(cohort: tuple[int, int, float, float]) -> Iterator[tuple[float, Tally]]:
        units, others, rate, base = cohort
        for canary, stable in product(range(units + 1), range(others + 1)):
            chance = binomial(canary, units, rate) * binomial(stable, others, base)
            yield chance, Tally(units, others, canary, stable)

    total = 0.0
    for found in product(*map(outcomes_of, cohorts)):
        total += math.prod(chance for chance, _ in found) * math.exp(weigh(question, [t for _, t in found]).log_e)
    return total


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("base", [0.02, 0.2, 0.6])
def test_units_that_convert_once_have_expectation_of_at_most_one(name: str, base: float) -> None:
    """At the reference, with another base rate in each cohort; large rates make it conservative."""
    question = QUESTIONS[name]
    ratio = math.exp(question.reference)
    cohorts = [(2, 6, base * ratio, base), (4, 3, base / 2 * ratio, base / 2)]
    assert expectation_of_units(question, cohorts) <= 1 + EXACT


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "two-sided"])
def test_units_beyond_the_reference_have_a_smaller_expectation(name: str) -> None:
    """A canary that is better than the null's edge is condemned, or waved through, less often still."""
    question = QUESTIONS[name]
    at_the_edge = expectation_of_units(question, [(5, 9, 0.3 * math.exp(question.reference), 0.3)])
    inside = expectation_of_units(question, [(5, 9, 0.3 * math.exp(beyond(question, 0.3)), 0.3)])
    assert inside < at_the_edge <= 1


class Arrivals:
    """Units that arrive one by one: a coin gives each to the canary, another makes it convert; then one looks."""

    def __init__(self, units: int, share: float, rate: Callable[[int], float]) -> None:
        self.units, self.share, self.rate = units, share, rate

    @cache  # noqa: B019 - lives as long as the test
    def e(self, canary: int, stable: int, k_canary: int, k_stable: int) -> float:
        """At the realised share."""
        return math.exp(weigh(harm(HIGHER), [Tally(canary, stable, k_canary, k_stable)]).log_e)

    @cache  # noqa: B019
    def value(self, canary: int, stable: int, k_canary: int, k_stable: int, horizon: int, stopping: bool) -> float:
        """Expectation of E at the horizon, or when it is stopped at the best moment before."""
        here = self.e(canary, stable, k_canary, k_stable)
        seen = canary + stable
        if seen == horizon:
            return here
        share, rate = self.share, self.rate(seen)
        onward = sum(
            chance * self.value(canary + a, stable + 1 - a, k_canary + a * y, k_stable + (1 - a) * y, horizon, stopping)
            for a, y, chance in (
                (1, 1, share * rate),
                (1, 0, share * (1 - rate)),
                (0, 1, (1 - share) * rate),
                (0, 0, (1 - share) * (1 - rate)),
            )
        )
        return max(here, onward) if stopping else onward


RATES: dict[str, Callable[[int], float]] = {
    "small": lambda _: 0.05,
    "large": lambda _: 0.5,
    "rising": lambda seen: 0.02 + 0.07 * seen,
    "falling": lambda seen: 0.95 - 0.07 * seen,
}


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("name", RATES)
def test_a_growing_cohort_at_its_realised_share(share: float, name: str) -> None:
    """Every single look is exact. Stopping at the best of 12 looks gains less than what is documented."""
    arrivals = Arrivals(12, share, RATES[name])
    for horizon in (1, 4, 8, 12):
        assert arrivals.value(0, 0, 0, 0, horizon, False) <= 1 + EXACT
    assert 1 < arrivals.value(0, 0, 0, 0, 12, True) <= 1 + STOPPING_GAIN
