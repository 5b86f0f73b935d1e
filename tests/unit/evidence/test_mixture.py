"""a1 and a3: golden values, and what may be rearranged without changing the evidence."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.counts import Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.mixture import (
    GRID,
    TWO_SIDED,
    Direction,
    Mixture,
    Question,
    Side,
    anytime_p,
    harm,
    log_ratio,
    log_sum_exp,
    noninferiority,
    prior,
    weigh,
)
from tests.unit.evidence.builders import GOLDEN, HIGHER, LOWER, directions, ledgers, tallies

QUESTIONS = (harm(HIGHER), harm(LOWER), noninferiority(HIGHER, 0.05), noninferiority(LOWER, 0.5), TWO_SIDED)
questions = st.sampled_from(QUESTIONS)
examples = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, 1.5, math.nan, math.inf])
def test_a_loss_of_everything_is_no_margin(margin: float) -> None:
    """A margin for conversions lies between 0 and 1, exclusive."""
    with pytest.raises(QuestionError, match=r"^margin: "):
        noninferiority(HIGHER, margin)


def test_a_margin_beyond_every_effect_is_refused() -> None:
    """Four times the errors is wider than the grid on its harmless side is deep: nothing could be shown worse."""
    assert noninferiority(LOWER, 2.0).reference == pytest.approx(math.log(3))
    with pytest.raises(QuestionError, match=r"^margin: "):
        noninferiority(LOWER, 0.0)
    with pytest.raises(QuestionError, match=r"^reference: .*no effect"):
        Question(-1.2, Side.BELOW)
    with pytest.raises(QuestionError, match=r"^reference: "):
        Question(math.nan, Side.BOTH)


@pytest.mark.parametrize("weights", [(), (0.0,) * 96, (-math.inf,) * 97, (math.nan,) * 97, (math.nan, *[0.0] * 96)])
def test_a_state_of_another_grid_is_refused(weights: tuple[float, ...]) -> None:
    """Stored by another version, or torn: it has to be computed again."""
    with pytest.raises(QuestionError, match=r"^log_weights: "):
        Mixture(TWO_SIDED, weights)


def test_golden_harm() -> None:
    """Ln E after each step of the specification's ledger."""
    states = [weigh(harm(HIGHER), GOLDEN[:steps]).log_e for steps in (1, 2, 3, 4)]
    assert states == pytest.approx([0.124556, 1.003769, 2.446568, 5.490098], abs=5e-7)


def test_golden_two_sided() -> None:
    """The same without a direction."""
    states = [weigh(TWO_SIDED, GOLDEN[:steps]).log_e for steps in (1, 2, 3, 4)]
    assert states == pytest.approx([-0.355396, 0.332792, 1.728221, 4.763464], abs=5e-7)


def test_the_grid_is_that_of_the_specification() -> None:
    """97 points from -1.2 to 1.2, symmetric, with 0 among them."""
    assert (len(GRID), GRID[0], GRID[48], GRID[96]) == (97, -1.2, 0.0, 1.2)
    assert [-delta for delta in reversed(GRID)] == list(GRID)


@pytest.mark.parametrize(("question", "points"), [*zip(QUESTIONS, (48, 48, 51, 65, 97), strict=True)])
def test_the_prior_lies_on_the_side_that_is_asked_about(question: Question, points: int) -> None:
    """Its weights sum to one over the alternative, the reference excluded, and are none elsewhere."""
    weights = [math.exp(weight) for weight in prior(question)]
    assert math.fsum(weights) == pytest.approx(1, abs=1e-12)
    assert sum(weight > 0 for weight in weights) == points


def test_no_data_is_no_evidence() -> None:
    """Without cohorts, with empty ones, or with one arm alone, E is 1."""
    for question in QUESTIONS:
        one_armed = [Tally(0, 0, 0, 0), Tally(0, 90, 0, 40), Tally(90, 0, 40, 0), Tally(10, 10, 0, 0)]
        for ledger in ([], one_armed):
            assert weigh(question, ledger).log_e == pytest.approx(0, abs=1e-12)


@given(questions, ledgers, st.randoms(use_true_random=False))
@examples
def test_the_order_of_cohorts_changes_no_bit(question: Question, ledger: list[Tally], random: object) -> None:
    """Sums are correctly rounded, so a replay gives the same bits in whatever order the cohorts come."""
    shuffled = list(ledger)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert weigh(question, shuffled) == weigh(question, ledger)


@given(questions, ledgers)
@examples
def test_evidence_grown_by_increments_equals_that_of_the_totals(question: Question, ledger: list[Tally]) -> None:
    """To 1e-9, relative to the size of the log likelihoods."""
    state = weigh(question, [])
    for tally in ledger:
        state = state.credit(tally)
    assert state.log_e == pytest.approx(weigh(question, ledger).log_e, rel=1e-9, abs=1e-9)


@given(questions, tallies(), tallies(), st.data())
@examples
def test_late_outcomes_are_credited_to_their_cohort(
    question: Question, first: Tally, second: Tally, data: st.DataObject
) -> None:
    """What was reported late gives the same evidence as what was reported at once."""
    canary, stable = data.draw(st.integers(0, first.canary)), data.draw(st.integers(0, first.stable))
    early = replace(first, canary=first.canary - canary, stable=first.stable - stable)
    late = replace(first, canary=canary, stable=stable)
    state = weigh(question, [early]).credit(second).credit(late)
    assert state.log_e == pytest.approx(weigh(question, [first, second]).log_e, rel=1e-9, abs=1e-9)


@given(questions, ledgers, tallies())
@examples
def test_a_restart_changes_nothing(question: Question, ledger: list[Tally], more: Tally) -> None:
    """A state that went through JSON goes on to the same bits."""
    state = weigh(question, ledger)
    stored = json.loads(json.dumps({"weights": state.log_weights, "side": question.side, "at": question.reference}))
    restored = Mixture(Question(stored["at"], Side(stored["side"])), tuple(stored["weights"]))
    assert restored.credit(more) == state.credit(more)


@given(questions, tallies(most=2_000), st.integers(2, 5))
@examples
def test_a_cohort_may_be_split_at_the_same_share(question: Question, tally: Tally, parts: int) -> None:
    """Periods of one cohort with equal shares are worth what the whole is worth."""
    whole = Tally(
        parts * tally.canary_exposures, parts * tally.stable_exposures, parts * tally.canary, parts * tally.stable
    )
    assert weigh(question, [tally] * parts).log_e == pytest.approx(weigh(question, [whole]).log_e, rel=1e-9, abs=1e-9)


@given(ledgers)
@examples
def test_harm_to_one_arm_is_gain_of_the_other(ledger: list[Tally]) -> None:
    """Exchanging the arms exchanges the directions, and leaves two-sided evidence as it is."""
    mirrored = [Tally(tally.stable_exposures, tally.canary_exposures, tally.stable, tally.canary) for tally in ledger]
    for question, mirror in ((harm(HIGHER), harm(LOWER)), (TWO_SIDED, TWO_SIDED)):
        assert weigh(question, mirrored).log_e == pytest.approx(weigh(mirror, ledger).log_e, rel=1e-9, abs=1e-7)


@given(directions, tallies())
@examples
def test_every_outcome_moves_evidence_the_right_way(direction: Direction, tally: Tally) -> None:
    """One more success of the canary, or one less of stable, makes harm less credible and promotion more so."""
    question, safe = harm(direction), noninferiority(direction, 0.1)
    better = replace(
        tally,
        canary=min(tally.canary + 1, tally.canary_exposures) if direction is HIGHER else max(tally.canary - 1, 0),
        stable=max(tally.stable - 1, 0) if direction is HIGHER else min(tally.stable + 1, tally.stable_exposures),
    )
    slack = 1e-9 * (1 + tally.outcomes)
    assert weigh(question, [better]).log_e <= weigh(question, [tally]).log_e + slack
    assert weigh(safe, [better]).log_e >= weigh(safe, [tally]).log_e - slack


@pytest.mark.parametrize("direction", Direction)
def test_a_wider_margin_is_shown_sooner(direction: Direction) -> None:
    """For equal arms, evidence of non-inferiority rises with the margin."""
    equal = [Tally(20_000, 20_000, 800, 800)]
    states = [weigh(noninferiority(direction, margin), equal).log_e for margin in (0.02, 0.05, 0.1, 0.2, 0.4)]
    assert states == sorted(states)
    assert states[0] < 0.5 < 3 < states[-1]


@given(ledgers)
@examples
def test_the_p_value_is_one_over_the_largest_e(ledger: list[Tally]) -> None:
    """It never rises again, and is 1 before the first look."""
    logs = [weigh(TWO_SIDED, ledger[: looks + 1]).log_e for looks in range(len(ledger))]
    values = [anytime_p(logs[:looks]) for looks in range(len(logs) + 1)]
    assert values[0] == 1
    assert values == list(accumulate(values, min))
    assert values[-1] == pytest.approx(min(1.0, math.exp(-max(logs))))


@pytest.mark.parametrize("exposures", [2**53, 10**12])
def test_counts_at_the_limit_give_finite_evidence(exposures: int) -> None:
    """No overflow where every unit has an outcome."""
    state = weigh(harm(HIGHER), [Tally(exposures, exposures, exposures // 2, exposures)])
    assert math.isfinite(state.log_e)
    assert state.log_e > 1e10


def test_a_grid_point_is_worth_its_likelihood_ratio() -> None:
    """The state holds, for each point, the log ratio of two binomial likelihoods of k_c among k outcomes."""
    tally, question = Tally(300, 700, 20, 90), noninferiority(HIGHER, 0.1)
    state = weigh(question, [tally])
    for index in (60, 96):
        parts = [0.3 * math.exp(at) / (0.7 + 0.3 * math.exp(at)) for at in (GRID[index], question.reference)]
        expected = 20 * math.log(parts[0] / parts[1]) + 90 * math.log((1 - parts[0]) / (1 - parts[1]))
        assert state.log_weights[index] - prior(question)[index] == pytest.approx(expected, abs=1e-9)
        assert log_ratio(0.3, 20, 90, GRID[index], question.reference) == pytest.approx(expected, abs=1e-9)


def test_sums_of_exponentials_do_not_overflow() -> None:
    """Nothing sums to nothing, and a thousand is no danger."""
    assert log_sum_exp([]) == -math.inf
    assert log_sum_exp([-math.inf, -math.inf]) == -math.inf
    assert log_sum_exp([1000.0, 1000.0]) == pytest.approx(1000 + math.log(2))
    assert log_sum_exp([-2000.0, -2000.0]) == pytest.approx(-2000 + math.log(2))
