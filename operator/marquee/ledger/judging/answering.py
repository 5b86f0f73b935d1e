"""The verdict as JSON: the evidence's answer, beside the rollout, its policy and the ledger's own integers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from marquee.contract.ledger import RolloutStatistics
from marquee.evidence.judging import answer_of
from marquee.evidence.rule import Judgement, Verdict
from marquee.judging.asking import judge, stage_of
from marquee.ledger.book.plans import Plan
from marquee.ledger.judging.settling import Policy, policy_in

BEGINS: Final = "RolloutStarted"
"""Reason of the one yes that no evidence stands behind: the first step may begin."""


@dataclass(frozen=True, slots=True)
class Look:
    """A rollout and its integers, as of one moment."""

    plan: Plan
    statistics: RolloutStatistics
    now: float
    """Seconds since 1970."""

    @property
    def policy(self) -> Policy:
        """What it was begun with."""
        return policy_in(self.plan.content)


Answer = dict[str, Any]


def answer(look: Look) -> Answer:
    """The judgement of the step that the rollout is at; one that has ended is judged as of its end.

    Raises:
        EvidenceError: the integers contradict each other.

    """
    plan, policy = look.plan, look.policy
    number = max(0, plan.step)
    until = look.now if plan.closed_at is None else min(look.now, plan.closed_at)
    elapsed = until - plan.step_started_at if plan.step >= 0 else 0.0
    stage = stage_of(policy.steps[number], number, elapsed)
    judgement, cohorts = judge(policy.analysis, policy.weights, stage, look.statistics)
    return answer_of(judgement, cohorts) | _surroundings(look, policy, judgement)


def begins(look: Look) -> Answer:
    """The yes to the first step: there is nothing to judge before it."""
    policy = look.policy
    told = (
        f"rollout {look.plan.rollout.name} begins with {policy.weights[0]} %: step 1 of {len(policy.weights)}; "
        "the next yes needs evidence"
    )
    return answer(look) | {"verdict": Verdict.PROMOTE.value, "reason": BEGINS, "message": told}


def _surroundings(look: Look, policy: Policy, judgement: Judgement) -> Answer:
    plan = look.plan
    return {
        "rollout": plan.rollout.name,
        "weight": policy.weights[judgement.stage.step] if plan.step >= 0 else 0,
        "result": plan.ending.value if plan.ending is not None else None,
        "elapsedSeconds": judgement.stage.elapsed_seconds,
        "policy": {
            "settled": datetime.fromtimestamp(plan.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **policy.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
        "statistics": [cohort.model_dump(mode="json", by_alias=True) for cohort in look.statistics.cohorts],
    }
