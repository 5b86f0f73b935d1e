"""What a rollout is judged by: its metrics, their margins, and what a step must have seen.

These are settled before the rollout starts. A threshold that is chosen after a look at the data bounds nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from marquee.evidence.counts import Count
from marquee.evidence.errors import QuestionError, require_alpha
from marquee.evidence.mixture import Direction, noninferiority


class Inconclusive(StrEnum):
    """What follows when a step's maxDuration has passed without a verdict."""

    HOLD = "Hold"
    ROLLBACK = "Rollback"


@dataclass(frozen=True, slots=True)
class Proportion:
    """A metric that counts: conversions, errors, slow answers.

    ``margin``: the relative loss that is tolerated, as a fraction. ``tolerated_rate``: for bad events, the fraction
    of the exposures below which a canary may be promoted without a comparison, because events so rare cannot be
    compared. It excuses no harm that is shown. Raises `QuestionError`.
    """

    name: str
    count: Count
    direction: Direction
    margin: float
    tolerated_rate: float | None = None

    def __post_init__(self) -> None:
        noninferiority(self.direction, self.margin)
        if self.tolerated_rate is None:
            return
        if self.direction is Direction.HIGHER_IS_BETTER or not 0 < self.tolerated_rate < 1:
            raise QuestionError(
                f"{self.name}.toleratedRate",
                f"is {self.tolerated_rate!r}",
                "give a fraction between 0 and 1, for events that are bad",
            )


@dataclass(frozen=True, slots=True)
class Mean:
    """A metric that adds up: revenue per exposure.

    ``cap``: where values are cut, whole minor units; ``tuning``: r of `marquee.evidence.means`. Raises
    `QuestionError`.
    """

    name: str
    direction: Direction
    margin: float
    cap: int
    tuning: float

    def __post_init__(self) -> None:
        noninferiority(self.direction, self.margin)


Metric = Proportion | Mean


@dataclass(frozen=True, slots=True)
class Policy:
    """One primary metric, guardrails, and the error probability of each kind of verdict.

    False rollback: at most alpha by the primary and at most alpha by all guardrails together (alpha / K for each of
    K). False promotion: at most alpha, since every metric has to be shown non-inferior. Raises `QuestionError`.
    """

    primary: Metric
    guardrails: tuple[Metric, ...] = ()
    alpha: float = 0.05
    steps: int = 1
    on_inconclusive: Inconclusive = Inconclusive.HOLD

    def __post_init__(self) -> None:
        require_alpha(self.alpha)
        if self.steps < 1:
            raise QuestionError("steps", f"{self.steps} planned", "plan at least one step")
        names = [metric.name for metric in self.metrics]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise QuestionError("guardrails", f"{twice[0]!r} is judged twice", "name each metric once")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The primary first."""
        return (self.primary, *self.guardrails)

    def harm_alpha(self, metric: Metric) -> float:
        """The error probability of "does harm" for one metric."""
        return self.alpha if metric is self.primary else self.alpha / len(self.guardrails)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a rollout stands: the step it is at and what that step asks. Raises `QuestionError`.

    ``min_exposures`` counts the canary's exposures in this step. ``elapsed_seconds`` is the step's age, measured by
    the caller: nothing here knows the time.
    """

    step: int = 0
    min_exposures: int = 0
    min_duration_seconds: float = 0.0
    max_duration_seconds: float = math.inf
    elapsed_seconds: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if not (self.elapsed_seconds >= 0 and self.min_duration_seconds >= 0 and self.min_exposures >= 0):
            raise QuestionError("stage", f"{self} has a negative or unknown part", "give what the step asks")
        if not self.max_duration_seconds > self.min_duration_seconds:
            raise QuestionError(
                "maxDuration", f"{self.max_duration_seconds} s is not above minDuration", "give the step more time"
            )
