"""What a rollout is judged by: what cannot be asked, and how alpha is divided."""

from __future__ import annotations

import math
from typing import Any

import pytest

from marquee.evidence.counts import Count
from marquee.evidence.errors import EvidenceError, QuestionError
from marquee.evidence.policy import Mean, Policy, Proportion, Stage
from tests.unit.evidence.builders import CONVERSION, ERRORS, HIGHER, LOWER, SLOW, a_policy


@pytest.mark.parametrize("alpha", [0, 1, -0.05, 5, math.nan])
def test_alpha_is_a_probability(alpha: float) -> None:
    """Five is meant to be five percent: say so, do not guess."""
    with pytest.raises(QuestionError, match=r"^alpha: .*no error probability"):
        a_policy(alpha=alpha)


def test_a_margin_is_checked_before_the_rollout() -> None:
    """For proportions and means alike."""
    with pytest.raises(QuestionError, match=r"^margin: "):
        Proportion("conversion", Count.SUCCESSES, HIGHER, 0)
    with pytest.raises(QuestionError, match=r"^margin: "):
        Mean("revenue", HIGHER, 0, cap=1, tuning=1)


@pytest.mark.parametrize("rate", [0.0, 1.0, math.nan])
def test_a_tolerated_rate_is_a_fraction(rate: float) -> None:
    """The path names the metric."""
    with pytest.raises(QuestionError, match=r"^errors.toleratedRate: "):
        Proportion("errors", Count.ERRORS, LOWER, 0.5, tolerated_rate=rate)


def test_a_rate_of_good_events_is_not_tolerated() -> None:
    """Few conversions are no reason to promote."""
    with pytest.raises(QuestionError, match="events that are bad"):
        Proportion("conversion", Count.SUCCESSES, HIGHER, 0.05, tolerated_rate=0.01)


def test_a_metric_is_judged_once() -> None:
    """Two guardrails of one name could not be told apart."""
    with pytest.raises(QuestionError, match="'errors' is judged twice"):
        a_policy(ERRORS, ERRORS)


def test_a_plan_has_a_step() -> None:
    """At least one."""
    with pytest.raises(QuestionError, match=r"^steps: "):
        a_policy(steps=0)


@pytest.mark.parametrize(
    "stage",
    [
        {"min_exposures": -1},
        {"elapsed_seconds": -1.0},
        {"elapsed_seconds": math.nan},
        {"min_duration_seconds": 60.0, "max_duration_seconds": 60.0},
        {"max_duration_seconds": math.nan},
    ],
)
def test_a_stage_that_no_clock_shows_is_refused(stage: dict[str, Any]) -> None:
    """Negative, unknown, or with no time between the two durations."""
    with pytest.raises(EvidenceError):
        Stage(**stage)


@pytest.mark.parametrize(("guardrails", "share"), [((ERRORS,), 0.05), ((ERRORS, SLOW), 0.025)])
def test_guardrails_share_one_alpha(guardrails: tuple[Proportion, ...], share: float) -> None:
    """The primary has its own."""
    policy = a_policy(*guardrails)
    assert policy.harm_alpha(CONVERSION) == 0.05
    assert [policy.harm_alpha(metric) for metric in guardrails] == [share] * len(guardrails)


def test_the_primary_comes_first() -> None:
    """Findings follow this order."""
    assert Policy(CONVERSION, (ERRORS, SLOW)).metrics == (CONVERSION, ERRORS, SLOW)
