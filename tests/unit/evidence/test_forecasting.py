"""How long until a verdict: impossible plans first, then that the forecast is the mixture's own mean path."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.counts import Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.forecasting import (
    PlannedStep,
    Traffic,
    cannot_conclude,
    forecast_harm,
    information,
    outcomes_to_verdict,
    seconds_to_promotion,
    seconds_to_rollback,
    seconds_to_verdict,
    steps_that_cannot_conclude,
)
from marquee.evidence.mixture import harm, noninferiority, weigh
from tests.unit.evidence.builders import HIGHER, LOWER

BUSY = Traffic(exposures_per_hour=120_000, outcome_rate=0.04)
HOUR = 3_600.0


@pytest.mark.parametrize(
    "traffic", [(-1, 0.1), (math.inf, 0.1), (math.nan, 0.1), (10, -0.1), (10, 1.1), (10, math.nan)]
)
def test_traffic_is_a_flow_and_a_rate(traffic: tuple[float, float]) -> None:
    """Anything else would forecast nonsense."""
    with pytest.raises(QuestionError, match=r"^traffic: "):
        Traffic(*traffic)


@pytest.mark.parametrize("question", [{"share": 0.0}, {"share": 1.0}, {"alpha": 0.0}])
def test_a_forecast_needs_two_arms_and_an_alpha(question: dict[str, Any]) -> None:
    """As the evidence does."""
    with pytest.raises(QuestionError):
        outcomes_to_verdict(harm(HIGHER), **{"true_delta": -0.2, "share": 0.1, "alpha": 0.05, **question})


@pytest.mark.parametrize(("direction", "loss"), [(HIGHER, 1.0), (HIGHER, 0.0), (LOWER, 0.0), (HIGHER, math.nan)])
def test_a_loss_is_a_fraction(direction: Any, loss: float) -> None:
    """Of conversions, all cannot be lost; of errors, more than twice as many are possible."""
    with pytest.raises(QuestionError, match=r"^loss: "):
        forecast_harm(BUSY, direction, loss=loss, weight=10, alpha=0.05)
    assert forecast_harm(BUSY, LOWER, loss=1.5, weight=10, alpha=0.05).endswith("for a 150 % rise")


def test_what_is_not_so_is_never_shown() -> None:
    """No harm to find, or no outcomes to find it by."""
    assert outcomes_to_verdict(harm(HIGHER), true_delta=0.1, share=0.1, alpha=0.05) == math.inf
    for idle in (Traffic(0, 0.04), Traffic(1_000, 0)):
        assert seconds_to_verdict(harm(HIGHER), idle, true_delta=-0.2, share=0.1, alpha=0.05) == math.inf
        assert forecast_harm(idle, HIGHER, loss=0.2, weight=10, alpha=0.05).startswith("for ever")


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2, 0.5])
def test_the_price_of_not_knowing_the_effect(share: float, loss: float) -> None:
    """The factor c of c ln(1/alpha)/KL, for every effect and share that people plan for."""
    delta = math.log1p(-loss)
    outcomes = outcomes_to_verdict(harm(HIGHER), true_delta=delta, share=share, alpha=0.05)
    assert 1.28 <= outcomes * information(delta, 0.0, share) / math.log(20) <= 1.75


@given(st.sampled_from([0.1, 0.2, 0.5]), st.sampled_from([0.1, 0.5]))
@settings(max_examples=10, deadline=None)
def test_the_forecast_is_where_the_mean_path_gets_to(loss: float, share: float) -> None:
    """Outcomes as the effect has them on average, given to a1 itself, reach 1/alpha there and not before."""
    delta = math.log1p(-loss)
    needed = outcomes_to_verdict(harm(HIGHER), true_delta=delta, share=share, alpha=0.05)
    part = share * math.exp(delta) / (1 + share * math.expm1(delta))
    for factor, reached in ((0.97, False), (1.03, True)):
        canary, stable = round(factor * needed * part), round(factor * needed * (1 - part))
        tally = Tally(round(10**9 * share), round(10**9 * (1 - share)), canary, stable)
        assert (weigh(harm(HIGHER), [tally]).log_e >= math.log(20)) == reached


def test_smaller_losses_smaller_shares_and_smaller_alphas_take_longer() -> None:
    """Each by itself."""

    def hours(loss: float = 0.2, share: float = 0.1, alpha: float = 0.05) -> float:
        delta = math.log1p(-loss)
        return seconds_to_verdict(harm(HIGHER), BUSY, true_delta=delta, share=share, alpha=alpha) / HOUR

    assert hours(loss=0.5) < hours() < hours(loss=0.1)
    assert hours(share=0.5) < hours() < hours(share=0.05)
    assert hours(alpha=0.1) < hours() < hours(alpha=0.001)


def test_time_follows_traffic() -> None:
    """Half the traffic, or half the conversions, takes twice as long."""
    times = [
        seconds_to_verdict(harm(HIGHER), traffic, true_delta=-0.2, share=0.1, alpha=0.05)
        for traffic in (BUSY, Traffic(60_000, 0.04), Traffic(120_000, 0.02))
    ]
    assert times[1:] == pytest.approx([2 * times[0]] * 2)


def test_a_forecast_in_words() -> None:
    """For status and console."""
    assert forecast_harm(Traffic(20_000, 0.04), HIGHER, loss=0.2, weight=10, alpha=0.05) == (
        "about 2.5 h at today's traffic for a 20 % loss"
    )


class TestPlans:
    """Steps with a maxDuration."""

    def short(self, *steps: PlannedStep, traffic: Traffic = BUSY) -> tuple[int, ...]:
        """The numbers of the steps that cannot conclude."""
        found = steps_that_cannot_conclude(steps, traffic, HIGHER, margin=0.05, alpha=0.05)
        assert bool(found) == cannot_conclude(steps, traffic, HIGHER, margin=0.05, alpha=0.05)
        return tuple(shortfall.step for shortfall in found)

    def test_a_step_with_too_little_time_is_named(self) -> None:
        """With what it needs, what it has, and what to do."""
        (found,) = steps_that_cannot_conclude([PlannedStep(5, HOUR)], BUSY, HIGHER, margin=0.05, alpha=0.05)
        assert (found.step, found.weight, found.max_duration_seconds) == (0, 5, HOUR)
        assert str(found) == (
            "step 1 at 5 % needs about 18 h at today's traffic to show that a version no worse than stable is within "
            "the margin, its maxDuration is 60 min: allow more time, a wider margin or a larger weight"
        )

    def test_steps_with_time_enough_are_not(self) -> None:
        """Nor is one without a maxDuration, or at a weight that compares nothing."""
        assert self.short(PlannedStep(5, 24 * HOUR), PlannedStep(50, HOUR)) == ()
        assert self.short(PlannedStep(5)) == ()
        assert self.short(PlannedStep(0, 1.0), PlannedStep(100, 1.0)) == ()

    def test_evidence_of_earlier_steps_counts(self) -> None:
        """A step that is too short alone may be long enough after another."""
        assert self.short(PlannedStep(5, 2 * HOUR)) == (0,)
        assert self.short(PlannedStep(5, 17 * HOUR), PlannedStep(5, 2 * HOUR)) == (0,)

    def test_without_traffic_only_endless_steps_conclude(self) -> None:
        """And then in no time that could be named."""
        idle = Traffic(0, 0.04)
        assert self.short(PlannedStep(5, 100 * HOUR), PlannedStep(5), traffic=idle) == (0,)

    def test_the_forecast_of_a_first_step_is_that_of_the_question(self) -> None:
        """The same number by both ways."""
        (found,) = steps_that_cannot_conclude([PlannedStep(5, HOUR)], BUSY, HIGHER, margin=0.05, alpha=0.05)
        alone = seconds_to_verdict(noninferiority(HIGHER, 0.05), BUSY, true_delta=0.0, share=0.05, alpha=0.05)
        assert found.needed_seconds == pytest.approx(alone)


class TestStepsMinimum:
    """What a step must have seen takes its time too."""

    def needed(self, *steps: PlannedStep, traffic: Traffic = BUSY) -> tuple[float, ...]:
        return seconds_to_promotion(steps, traffic, HIGHER, margin=0.05, alpha=0.05)

    def test_a_minimum_of_exposures_that_is_out_of_reach(self) -> None:
        """A million of the canary's at a twentieth of the traffic is more than the evidence needs, and told."""
        plain, asking = PlannedStep(5, 100 * HOUR), PlannedStep(5, 100 * HOUR, min_exposures=50_000_000)
        assert self.needed(asking)[0] == pytest.approx(50_000_000 / (BUSY.exposures_per_hour * 0.05) * HOUR)
        assert self.needed(plain)[0] < self.needed(asking)[0]
        (found,) = steps_that_cannot_conclude([asking], BUSY, HIGHER, margin=0.05, alpha=0.05)
        assert found.needed_seconds == self.needed(asking)[0]

    def test_a_minimum_of_time_is_the_least(self) -> None:
        """However much traffic there is."""
        flood = Traffic(1e12, 0.5)
        assert self.needed(PlannedStep(50, min_duration_seconds=HOUR), traffic=flood) == (HOUR,)

    def test_without_traffic_nothing_is_ever_passed(self) -> None:
        """Not even a step that asks for nobody."""
        idle = Traffic(0, 0.04)
        assert self.needed(PlannedStep(5, min_exposures=1), PlannedStep(50), traffic=idle) == (math.inf, math.inf)

    def test_each_step_has_its_time(self) -> None:
        """A later one needs less, since what was seen before counts; one of no weight needs none."""
        first, second, none = self.needed(PlannedStep(50), PlannedStep(50), PlannedStep(0))
        assert first > second >= 0.0 == none

    @pytest.mark.parametrize("loss", [0.5, 0.2, 0.1])
    def test_a_smaller_share_takes_longer_to_show_a_loss(self, loss: float) -> None:
        """And so does a smaller loss."""
        small, half = (seconds_to_rollback(BUSY, HIGHER, loss=loss, weight=w, alpha=0.05) for w in (5, 50))
        assert half < small < seconds_to_rollback(BUSY, HIGHER, loss=loss / 2, weight=5, alpha=0.05)
