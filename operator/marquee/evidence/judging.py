"""The answer to another controller that asks for a verdict: JSON values for Argo Rollouts, a status code for Flagger.

``docs/judge.md`` is its specification. Everything in it follows from the integers, which it repeats, and the policy:
who has both computes the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from marquee.evidence.counts import Cohort, Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.estimating import Ratio
from marquee.evidence.explaining import explain
from marquee.evidence.finding import Finding, Strength
from marquee.evidence.policy import Policy, Stage
from marquee.evidence.records import write_cohorts
from marquee.evidence.rule import Judgement, Verdict, judge

YES: Final = 200
NO: Final = 409
"""A no is not a server's error: those are tried again."""


def answer(policy: Policy, stage: Stage, cohorts: Sequence[Cohort]) -> dict[str, Any]:
    """The verdict with its evidence as JSON values, all finite. Raises `EvidenceError`."""
    return answer_of(judge(policy, stage, cohorts), cohorts)


def answer_of(judgement: Judgement, cohorts: Sequence[Cohort]) -> dict[str, Any]:
    """The same from a judgement at hand and the cohorts that it was made of."""
    split = judgement.sample_ratio
    return {
        "verdict": judgement.verdict.value,
        "reason": judgement.reason.value,
        "message": explain(judgement),
        "step": judgement.stage.step,
        "steps": judgement.policy.steps,
        "metrics": [_metric(finding) for finding in judgement.findings],
        "sampleRatio": {**_strength(Strength(split.log_e, split.alpha)), "step": split.step},
        "cohorts": write_cohorts(cohorts),
    }


def status_code(verdict: Verdict, asked: str) -> int:
    """200 when the verdict is the one that was asked for, else 409. Raises `QuestionError` for what is no verdict."""
    if asked not in set(Verdict):
        raise QuestionError("verdict", f"{asked!r} is no verdict", f"ask for one of {', '.join(Verdict)}")
    return YES if verdict == asked else NO


def _metric(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.metric.name,
        "harm": _strength(finding.harm),
        "nonInferiority": _strength(finding.noninferior),
        "seen": _seen(finding.seen),
        "ratio": _ratio(finding.ratio),
        "insufficient": finding.insufficient,
    }


def _strength(strength: Strength) -> dict[str, Any]:
    """An e-value as its natural logarithm, beside the logarithm that it has to reach."""
    return {"lnE": strength.log_e, "threshold": -math.log(strength.alpha), "shown": strength.shown}


def _seen(tally: Tally) -> dict[str, Any]:
    return {
        "canary": {"exposures": tally.canary_exposures, "outcomes": tally.canary},
        "stable": {"exposures": tally.stable_exposures, "outcomes": tally.stable},
    }


def _ratio(ratio: Ratio | None) -> dict[str, float | None] | None:
    """JSON has no infinity: a bound that says nothing is null."""
    if ratio is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in asdict(ratio).items()}
