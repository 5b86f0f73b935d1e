"""How long until a verdict? Before a rollout starts, and while it runs.

Per outcome, evidence for a question grows by KL(theta1 || theta0) on average, theta1 and theta0 being the canary's
part of the outcomes under the true effect and under the reference. So a verdict needs about ``c ln(1/alpha) / KL``
outcomes, where c > 1 pays for not knowing the effect. c is not guessed: the mixture is followed along its mean path,
outcomes exactly as the true effect would have them on average, until it reaches 1/alpha. For losses of 5 to 50 percent
that gives c between 1.3 and 1.75. Real paths scatter around the mean one; about half of them are faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from marquee.evidence import words
from marquee.evidence.errors import QuestionError, require_alpha
from marquee.evidence.mixture import (
    GRID,
    Direction,
    Question,
    canary_part,
    harm,
    log_ratio,
    log_sum_exp,
    noninferiority,
    prior,
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Today's traffic: exposures per hour (both arms) and stable's outcomes per exposure. Raises `QuestionError`."""

    exposures_per_hour: float
    outcome_rate: float

    def __post_init__(self) -> None:
        if not 0 <= self.exposures_per_hour < math.inf or not 0 <= self.outcome_rate <= 1:
            raise QuestionError("traffic", f"{self} is no traffic", "give exposures an hour and a rate of 0 to 1")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the plan: the canary's share in percent, how long it may take, and what it must have seen.

    ``min_exposures`` are the canary's.
    """

    weight: float
    max_duration_seconds: float = math.inf
    min_exposures: int = 0
    min_duration_seconds: float = 0.0


@lru_cache(maxsize=1024)
def outcomes_to_verdict(question: Question, *, true_delta: float, share: float, alpha: float) -> float:
    """Expected outcomes of both arms until E >= 1/alpha; infinity where the question's answer is no.

    It depends on the plan alone, not on what is seen, so each look of a rollout asks for the same number again.
    """
    require_alpha(alpha)
    if not 0 < share < 1:
        raise QuestionError("share", f"{share!r} leaves one arm empty", "use a share between 0 and 1")
    return _needed((), question, _growth(question, true_delta, share), alpha)


def information(true_delta: float, reference: float, share: float) -> float:
    """KL(theta1 || theta0) of one outcome's arm, in nats."""
    true, null = canary_part(share, true_delta), canary_part(share, reference)
    return true * math.log(true / null) + (1 - true) * math.log((1 - true) / (1 - null))


def seconds_to_verdict(question: Question, traffic: Traffic, *, true_delta: float, share: float, alpha: float) -> float:
    """The same in seconds at today's traffic; infinity without traffic or outcomes."""
    outcomes = outcomes_to_verdict(question, true_delta=true_delta, share=share, alpha=alpha)
    per_second = _outcomes_per_second(traffic, true_delta, share)
    return outcomes / per_second if per_second else math.inf


def seconds_to_rollback(traffic: Traffic, direction: Direction, *, loss: float, weight: float, alpha: float) -> float:
    """Expected time until a loss is shown at a weight in percent. ``loss``: as a fraction."""
    return seconds_to_verdict(
        harm(direction), traffic, true_delta=_delta(direction, loss), share=weight / 100, alpha=alpha
    )


def forecast_harm(traffic: Traffic, direction: Direction, *, loss: float, weight: int, alpha: float) -> str:
    """Such as 'about 3 h at today's traffic for a 20 % loss'. ``loss``: as a fraction."""
    seconds = seconds_to_rollback(traffic, direction, loss=loss, weight=weight, alpha=alpha)
    what = "loss" if direction is Direction.HIGHER_IS_BETTER else "rise"
    return f"{_about(seconds)} at today's traffic for a {words.percent(loss)} {what}"


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A step in which equal versions cannot be told from one that loses the whole margin."""

    step: int
    weight: float
    needed_seconds: float
    max_duration_seconds: float

    def __str__(self) -> str:
        return (
            f"step {self.step + 1} at {self.weight:.3g} % needs {_about(self.needed_seconds)} at today's traffic to "
            f"show that a version no worse than stable is within the margin, its maxDuration is "
            f"{words.duration(self.max_duration_seconds)}: allow more time, a wider margin or a larger weight"
        )


def steps_that_cannot_conclude(
    steps: Sequence[PlannedStep], traffic: Traffic, direction: Direction, *, margin: float, alpha: float
) -> tuple[Shortfall, ...]:
    """The steps of a plan whose maxDuration is too short for a verdict if the versions are equal.

    Empty: the plan can conclude.
    """
    needed = seconds_to_promotion(steps, traffic, direction, margin=margin, alpha=alpha)
    return tuple(
        Shortfall(number, step.weight, seconds, step.max_duration_seconds)
        for number, (step, seconds) in enumerate(zip(steps, needed, strict=True))
        if seconds > step.max_duration_seconds
    )


def seconds_to_promotion(
    steps: Sequence[PlannedStep], traffic: Traffic, direction: Direction, *, margin: float, alpha: float
) -> tuple[float, ...]:
    """Expected time of each step until it is passed, if the versions are equal: its evidence and its minimum.

    Evidence of earlier steps counts, each taken at the shorter of what it needs and its maxDuration.
    """
    question = noninferiority(direction, margin)
    path: list[tuple[float, ...]] = []
    found = []
    for step in steps:
        if not 0 < step.weight < 100:
            found.append(0.0)
            continue
        share = step.weight / 100
        growth = _growth(question, 0.0, share)
        per_second = _outcomes_per_second(traffic, 0.0, share)
        outcomes = _needed(path, question, growth, alpha)
        seconds = max(outcomes / per_second if per_second else math.inf, _least_seconds(step, traffic))
        found.append(seconds)
        spent = min(seconds, step.max_duration_seconds)
        if math.isfinite(spent):
            path.append(tuple(spent * per_second * gain for gain in growth))
    return tuple(found)


def cannot_conclude(
    steps: Sequence[PlannedStep], traffic: Traffic, direction: Direction, *, margin: float, alpha: float
) -> bool:
    """Whether a step of this plan cannot come to a verdict within its maxDuration."""
    return bool(steps_that_cannot_conclude(steps, traffic, direction, margin=margin, alpha=alpha))


def _least_seconds(step: PlannedStep, traffic: Traffic) -> float:
    """What the step takes at least, whatever is seen in it."""
    per_second = traffic.exposures_per_hour / 3600 * step.weight / 100
    exposing = step.min_exposures / per_second if per_second else math.inf if step.min_exposures else 0.0
    return max(exposing, step.min_duration_seconds)


def _needed(path: Iterable[tuple[float, ...]], question: Question, growth: tuple[float, ...], alpha: float) -> float:
    """Outcomes with this growth, on top of a path, until the mixture reaches 1/alpha; bisection on a scale of e."""
    start = tuple(map(math.fsum, zip(prior(question), *path, strict=True)))
    target = -math.log(alpha)

    def reached(outcomes: float) -> bool:
        return log_sum_exp(weight + outcomes * gain for weight, gain in zip(start, growth, strict=True)) >= target

    if reached(0.0):
        return 0.0
    if max(gain for gain, weight in zip(growth, start, strict=True) if math.isfinite(weight)) <= 0:
        return math.inf
    low, high = 0.0, 1.0
    while not reached(high):
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _growth(question: Question, true_delta: float, share: float) -> tuple[float, ...]:
    """Mean log likelihood ratio of one outcome, for each point of the grid."""
    canary = canary_part(share, true_delta)
    return tuple(log_ratio(share, canary, 1 - canary, delta, question.reference) for delta in GRID)


def _outcomes_per_second(traffic: Traffic, delta: float, share: float) -> float:
    return traffic.exposures_per_hour / 3600 * traffic.outcome_rate * (1 + share * math.expm1(delta))


def _delta(direction: Direction, loss: float) -> float:
    most = 1.0 if direction is Direction.HIGHER_IS_BETTER else math.inf
    if not 0 < loss < most:
        raise QuestionError("loss", f"{loss!r} is no loss", "give a fraction, such as 0.2")
    return math.log1p(-loss) if direction is Direction.HIGHER_IS_BETTER else math.log1p(loss)


def _about(seconds: float) -> str:
    return f"about {words.duration(seconds)}" if math.isfinite(seconds) else "for ever"
