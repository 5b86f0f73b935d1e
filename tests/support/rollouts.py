"""Models with a rollout in their status, as the operator writes it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.api.types import timestamp
from marquee.control.render.record import plan_digest
from tests.support import samples

NOW: Final = datetime(2024, 11, 22, 12, 0, 0, tzinfo=UTC)
ROLLOUT: Final = "lead-v2-0a1b2c3d"
WEIGHTS: Final = (5, 10, 25, 50)
GOLDEN: Final = (
    (1_000, 19_000, 34, 760),
    (2_000, 18_000, 66, 720),
    (5_000, 15_000, 170, 600),
    (10_000, 10_000, 330, 400),
)
"""The specification's ledger: n_c, n_s, k_c, k_s of each step."""
LN_E_HARM: Final = (0.124556, 1.003769, 2.446568, 5.490098)
HARM_IN_WORDS: Final = ("1.13 of 20", "2.73 of 20", "11.5 of 20", "242.3 of 20")
NON_INFERIORITY_IN_WORDS: Final = ("0.31 of 20", "0.15 of 20", "0.09 of 20", "0.07 of 20")

SPEC: Final[dict[str, Any]] = {
    "traffic": {"gateway": {"name": "public"}, "hostnames": ["lead.example.com"]},
    "rollout": {
        "steps": [{"weight": weight, "minDurationSeconds": 600} for weight in WEIGHTS],
        "analysis": {"primary": {"outcome": "conversion"}},
    },
}


def a_body(*, namespace: str = "growth", **rollout: Any) -> dict[str, Any]:
    """A model on step 2 of 4 that holds; the fields of ``status.rollout`` that the test is about replace these."""
    body = samples.model("lead", revision="lead-v2", namespace=namespace, **copy.deepcopy(SPEC))
    body["metadata"] |= {"generation": 3, "resourceVersion": "10", "annotations": {}}
    body["status"] = status_of(body, **rollout)
    return body


def status_of(body: dict[str, Any], **rollout: Any) -> dict[str, Any]:
    """The status beside that spec."""
    since = timestamp(NOW - timedelta(days=3))
    arm = {"digest": samples.DIGEST, "since": since, "replicas": 2, "readyReplicas": 2}
    message = "step 2 of 4 at 10 %: held: conversion 100 of 3,000 against 1,480 of 37,000"
    condition = {"type": "Ready", "status": "False", "reason": "Collecting", "lastTransitionTime": since}
    plan = plan_digest(MarketingModel.model_validate(body))
    return {
        "observedGeneration": body["metadata"]["generation"],
        "phase": "Canary",
        "conditions": [condition | {"message": message, "observedGeneration": 3}],
        "stable": arm | {"revision": "lead-v1"},
        "canary": arm | {"revision": "lead-v2", "since": timestamp(NOW - timedelta(minutes=40)), "readyReplicas": 1},
        "rollout": {
            "name": ROLLOUT,
            "revision": "lead-v2",
            "plan": plan,
            "step": 1,
            "progress": "2/4",
            "weight": 10,
            "started": timestamp(NOW - timedelta(minutes=40)),
            "stepStarted": timestamp(NOW - timedelta(minutes=12)),
            "verdict": "Hold",
            "message": message,
            "evidence": evidence(2),
            "counts": counts(2),
            "forecast": "about 3 h at today's traffic for a 20 % loss",
        }
        | rollout,
    }


def evidence(steps: int) -> list[dict[str, str]]:
    """What the operator says after so many steps of the golden ledger."""
    canary, stable, ours, theirs = (sum(column) for column in zip(*GOLDEN[:steps], strict=True))
    words = {"harm": HARM_IN_WORDS[steps - 1], "nonInferiority": NON_INFERIORITY_IN_WORDS[steps - 1]}
    return [{"metric": "conversion", "counts": f"{ours:,} of {canary:,} against {theirs:,} of {stable:,}"} | words]


def counts(steps: int, golden: Sequence[tuple[int, int, int, int]] = GOLDEN) -> list[dict[str, Any]]:
    """The integers of so many steps."""
    found = []
    for step, (canary, stable, ours, theirs) in enumerate(golden[:steps]):
        found += [_cohort(step, "canary", canary, ours), _cohort(step, "stable", stable, theirs)]
    return found


def _cohort(step: int, arm: str, exposures: int, successes: int) -> dict[str, Any]:
    outcome = {"successes": successes, "sum": str(100 * successes), "sumOfSquares": str(10_000 * successes)}
    requests = {"requests": 2 * exposures, "errors": 0, "slow": 0}
    return {"step": step, "arm": arm, "exposures": exposures, "outcomes": {"conversion": outcome}} | requests
