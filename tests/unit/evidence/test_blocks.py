"""a2: blocks for large base rates. Bad input first, then the exact expectation, then what it is good for."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.blocks import Blocks, increments, log_e_of_block, weigh_blocks
from marquee.evidence.counts import NOTHING, Tally, total
from marquee.evidence.errors import CountsError
from marquee.evidence.mixture import Direction, harm, weigh
from tests.unit.evidence.builders import HIGHER, LOWER, directions, ledgers

FIRST = Tally(10, 20, 4, 9)


def test_totals_that_shrink_make_no_blocks() -> None:
    """The path says between which looks."""
    with pytest.raises(CountsError, match=r"^looks\[1\]: .*does not follow"):
        increments([FIRST, Tally(9, 20, 4, 9)])


def test_late_outcomes_make_no_blocks() -> None:
    """Outcomes of earlier exposures do not belong to this block's: a1 takes them."""
    with pytest.raises(CountsError, match=r"^looks\[1\]: .*use a1"):
        increments([FIRST, Tally(11, 20, 6, 9)])


def test_blocks_are_what_was_added_between_looks() -> None:
    """The first begins at nothing; a look at which nothing is new is an empty block."""
    assert increments([FIRST, FIRST, Tally(15, 21, 5, 9)]) == (FIRST, NOTHING, Tally(5, 1, 1, 0))
    assert increments([]) == ()


@given(ledgers)
@settings(max_examples=40, deadline=None)
def test_blocks_add_up_to_the_last_look(ledger: list[Tally]) -> None:
    """Nothing is lost between looks."""
    looks = [total(ledger[: number + 1]) for number in range(len(ledger))]
    assert list(increments(looks)) == ledger


def test_nothing_is_bet_before_something_was_learned() -> None:
    """The first block, and any after a past in which the canary is as good, leave E at 1."""
    assert Blocks(HIGHER).prediction() is None
    assert weigh_blocks(HIGHER, [Tally(10, 10, 0, 10)]).log_e == 0
    assert weigh_blocks(HIGHER, [Tally(10, 10, 9, 1), Tally(10, 10, 0, 10)]).log_e == 0


def test_a_block_with_one_arm_is_no_bet() -> None:
    """Whatever was predicted."""
    assert log_e_of_block(Tally(0, 10, 0, 9), 0.2, 0.6) == 0
    assert log_e_of_block(Tally(10, 0, 9, 0), 0.2, 0.6) == 0


def test_a_block_is_worth_its_likelihood_ratio() -> None:
    """By hand: 3 exposures of the canary with 1 success, 1 of stable with 1, predicted 0.2 and 0.6."""
    pooled = (3 * 0.2 + 1 * 0.6) / 4
    by_hand = 0.2 * 0.8**2 * 0.6 / (pooled**2 * (1 - pooled) ** 2)
    assert log_e_of_block(Tally(3, 1, 1, 1), 0.2, 0.6) == pytest.approx(math.log(by_hand), abs=1e-12)


def test_rates_are_predicted_from_the_past_alone() -> None:
    """With 0.18 of a success and of a failure added; the block that is bet on is not among them."""
    state = Blocks(HIGHER).observe(Tally(10, 20, 2, 9))
    assert state.prediction() == pytest.approx((2.18 / 10.36, 9.18 / 20.36))
    assert Blocks(LOWER, Tally(10, 20, 2, 9)).prediction() is None
    following = Tally(5, 5, 1, 3)
    assert state.observe(following).log_e == log_e_of_block(following, 2.18 / 10.36, 9.18 / 20.36)


def expectation(direction: Direction, blocks: list[tuple[int, int, float, float]]) -> float:
    """Of E over every result of blocks of (canary's exposures, stable's, canary's rate, stable's rate)."""

    def chance(successes: int, trials: int, rate: float) -> float:
        return math.comb(trials, successes) * rate**successes * (1 - rate) ** (trials - successes)

    total_e = 0.0
    for results in product(*(product(range(a + 1), range(b + 1)) for a, b, _, _ in blocks)):
        odds, seen = 1.0, []
        for (a, b, rate, base), (k_a, k_b) in zip(blocks, results, strict=True):
            odds *= chance(k_a, a, rate) * chance(k_b, b, base)
            seen.append(Tally(a, b, k_a, k_b))
        total_e += odds * math.exp(weigh_blocks(direction, seen).log_e)
    return total_e


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("rates", [(0.5, 0.5, 0.5), (0.05, 0.6, 0.9), (0.9, 0.3, 0.1)])
def test_the_expectation_is_at_most_one_for_equal_arms(direction: Direction, rates: tuple[float, float, float]) -> None:
    """Over every result of three blocks, with a base rate that drifts from block to block."""
    sizes = ((2, 3), (3, 2), (1, 4))
    blocks = [(a, b, rate, rate) for (a, b), rate in zip(sizes, rates, strict=True)]
    assert expectation(direction, blocks) <= 1 + 1e-9


@pytest.mark.parametrize("rates", [(0.5, 0.4), (0.9, 0.1), (0.3, 0.29)])
def test_the_expectation_is_at_most_one_for_a_better_canary(rates: tuple[float, float]) -> None:
    """The null is "no worse", for conversions and, mirrored, for errors."""
    blocks = [(2, 3, *rates), (3, 2, *rates), (2, 2, *rates)]
    mirrored = [(a, b, base, rate) for a, b, rate, base in blocks]
    assert expectation(HIGHER, blocks) <= 1 + 1e-9
    assert expectation(LOWER, mirrored) <= 1 + 1e-9


@given(directions, ledgers)
@settings(max_examples=40, deadline=None)
def test_a_restart_changes_nothing(direction: Direction, ledger: list[Tally]) -> None:
    """Four integers and a number are the whole state."""
    state = weigh_blocks(direction, ledger[:-1])
    stored = json.loads(json.dumps(asdict(state)))
    restored = Blocks(Direction(stored["direction"]), Tally(**stored["past"]), stored["log_e"])
    assert restored.observe(ledger[-1]) == weigh_blocks(direction, ledger)


@given(ledgers, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_blocks_is_part_of_the_evidence(ledger: list[Tally], random: object) -> None:
    """What is learned in the end is the same in any order; what was bet on the way is not claimed to be."""
    shuffled = list(ledger)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert weigh_blocks(HIGHER, shuffled).past == weigh_blocks(HIGHER, ledger).past


def test_a_large_base_rate_is_what_it_is_for() -> None:
    """60 against 66 percent, even arms: a2 has rolled back where a1 has a long way to go."""
    blocks = [Tally(100, 100, 60, 66)] * 20
    by_blocks = weigh_blocks(HIGHER, blocks).log_e
    assert by_blocks > math.log(20) > 1.5 > weigh(harm(HIGHER), [total(blocks)]).log_e
