"""Whether to train again now, and for which reason: the first row that holds. Pure.

A broken feed blocks until data are known to be good again, or a person asks. Whoever asks need not wait for the
cool-down, but the week's budget and the run in flight are for people too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from marquee.judging.drifting import DriftState

_GOOD: Final = frozenset({DriftState.STABLE, DriftState.INVESTIGATE, DriftState.RETRAIN})
_WEEK: Final = timedelta(days=7)


class Trigger(StrEnum):
    """What asks for a training, the strongest first."""

    MANUAL = "Manual"
    PERFORMANCE = "Performance"
    DRIFT = "Drift"
    SCHEDULE = "Schedule"


class Outcome(StrEnum):
    """What follows."""

    UP_TO_DATE = "UpToDate"
    IN_FLIGHT = "InFlight"
    FEED_BLOCKED = "FeedBlocked"
    BUDGET_USED = "BudgetUsed"
    COOLING_DOWN = "CoolingDown"
    START = "Start"


@dataclass(frozen=True, slots=True)
class RetrainingPolicy:
    """What a model's owner permits."""

    loss_budget: float | None = None
    """Largest loss of performance that is borne, as a share of the champion's; None: performance asks for nothing."""
    by_concept_drift: bool = False
    by_drift: bool = True
    cool_down: timedelta = timedelta(days=3)
    """After the start of a run, until the next may start."""
    most_a_week: int = 2

    def __post_init__(self) -> None:
        if self.most_a_week < 0 or self.cool_down < timedelta(0):
            raise ValueError("most_a_week and cool_down are at least 0")


@dataclass(frozen=True, slots=True)
class RetrainingFacts:
    """What is known of one model."""

    now: datetime
    states: tuple[DriftState, ...] = ()
    """Of the last windows, the newest last."""
    loss: float | None = None
    """Estimated or measured, as a share of the champion's performance; None, or NaN: not known."""
    scheduled: datetime | None = None
    """The newest moment of the schedule that has passed."""
    asked: str = ""
    """Id of what a person has asked for and nobody has answered; empty: nobody asks."""
    in_flight: bool = False
    """A run is under way, or its candidate waits for a rollout."""
    starts: tuple[datetime, ...] = ()
    """Of the runs so far, in any order."""
    concept_drift: bool = False
    """Scores do not keep what they promise."""


@dataclass(frozen=True, slots=True)
class RetrainingDecision:
    """What to do now."""

    outcome: Outcome
    trigger: Trigger | None = None
    """What asks; None: nothing does."""
    until: datetime | None = None
    """When the answer may become another by time alone."""


def decide_retraining(facts: RetrainingFacts, policy: RetrainingPolicy) -> RetrainingDecision:
    """The decision by `TABLE`. The same facts give the same decision, in whatever order runs are told."""
    trigger = trigger_of(facts, policy)
    outcome = next(outcome for outcome, _, holds in TABLE if holds(facts, policy, trigger))
    return RetrainingDecision(outcome, trigger, _until(facts, policy, outcome))


def trigger_of(facts: RetrainingFacts, policy: RetrainingPolicy) -> Trigger | None:
    """The strongest of what asks for a training."""
    last = max(facts.starts, default=None)
    holds = {
        Trigger.MANUAL: facts.asked != "",
        Trigger.PERFORMANCE: _is_lost(facts, policy) or (policy.by_concept_drift and facts.concept_drift),
        Trigger.DRIFT: policy.by_drift and facts.states[-1:] == (DriftState.RETRAIN,),
        Trigger.SCHEDULE: facts.scheduled is not None and (last is None or last < facts.scheduled),
    }
    return next((trigger for trigger in Trigger if holds[trigger]), None)


def is_blocked(states: Iterable[DriftState]) -> bool:
    """Whether a feed was broken, and no window since is known to be good."""
    blocked = False
    for state in states:
        if state is DriftState.BROKEN_FEED:
            blocked = True
        elif state in _GOOD:
            blocked = False
    return blocked


def run_name(model: str, *, data_window: str, code_digest: str, trigger: str) -> str:
    """Name of the run that answers a trigger: an operator that is killed anywhere finds it, and starts no second.

    It is that of the run's Job and of the ModelRevision that may come of it: the model's name, which may have 50
    characters, a hyphen, and 12 digits.

    Args:
        model: ``namespace/name``.
        data_window: that the run learns from.
        code_digest: of the trainer.
        trigger: its kind and what tells it from others of the kind, such as ``Drift/lead-v1/20033``.

    """
    words = f"{model}\0{data_window}\0{code_digest}\0{trigger}"
    name = model.partition("/")[2][:50]
    return f"{name}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _is_lost(facts: RetrainingFacts, policy: RetrainingPolicy) -> bool:
    if policy.loss_budget is None or facts.loss is None:
        return False
    return facts.loss > policy.loss_budget  # never for NaN


def _is_cooling(facts: RetrainingFacts, policy: RetrainingPolicy, trigger: Trigger | None) -> bool:
    last = max(facts.starts, default=None)
    return trigger is not Trigger.MANUAL and last is not None and facts.now < last + policy.cool_down


def _this_week(facts: RetrainingFacts) -> list[datetime]:
    return sorted(start for start in facts.starts if start > facts.now - _WEEK)


def _until(facts: RetrainingFacts, policy: RetrainingPolicy, outcome: Outcome) -> datetime | None:
    if outcome is Outcome.COOLING_DOWN:
        return max(facts.starts) + policy.cool_down
    if outcome is Outcome.BUDGET_USED and policy.most_a_week:
        return _this_week(facts)[-policy.most_a_week] + _WEEK
    return None


_Holds = Callable[[RetrainingFacts, RetrainingPolicy, Trigger | None], bool]

TABLE: Final[tuple[tuple[Outcome, str, _Holds], ...]] = (
    (Outcome.UP_TO_DATE, "nothing asks", lambda _, __, trigger: trigger is None),
    (Outcome.IN_FLIGHT, "a run or its candidate is under way", lambda facts, _, __: facts.in_flight),
    (
        Outcome.FEED_BLOCKED,
        "a feed was broken, no window since is known to be good, and nobody asks",
        lambda facts, _, trigger: trigger is not Trigger.MANUAL and is_blocked(facts.states),
    ),
    (
        Outcome.BUDGET_USED,
        "as many runs have started within seven days as may",
        lambda facts, policy, _: len(_this_week(facts)) >= policy.most_a_week,
    ),
    (Outcome.COOLING_DOWN, "the last run started too recently, and nobody asks", _is_cooling),
    (Outcome.START, "otherwise", lambda _, __, ___: True),
)
"""Outcome, when it holds in words, when it holds."""
