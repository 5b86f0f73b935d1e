"""A model that may be trained again, and what its trainers leave behind."""

from __future__ import annotations

from typing import Any, Final

import orjson

from tests.support.kinds import Object

CODE: Final = "sha256:" + "c0" * 32
DATA: Final = "sha256:" + "da" * 32
CANDIDATE: Final = "sha256:" + "ca" * 32
TRAINER_LABEL: Final = "marquee.dev/trains"
SPEC: Final[Object] = {
    "artifacts": {"uri": "s3://models/lead"},
    "data": {"windowDays": 30},
    "gate": {"metrics": [{"name": "auc", "direction": "HigherIsBetter", "margin": 0.01}], "minimumRows": 100},
}
"""``spec.retraining`` without a trigger: a person asks."""


def a_result(
    run: str, *, auc: float = 0.8, champion: str = "lead-v1", champion_auc: float = 0.7, **changes: Any
) -> str:
    """The termination message of a good run."""
    champions = {champion: {"auc": champion_auc}} if champion else {}
    return orjson.dumps(
        {
            "uri": f"s3://models/lead/{run}",
            "digest": CANDIDATE,
            "model": "lead",
            "useCase": "lead-scoring",
            "dataDigest": DATA,
            "metrics": {"auc": auc},
            "codeDigest": CODE,
            "seed": 7,
            "comparison": {"rows": 1_000, "challenger": {"auc": auc}, "champions": champions, "baseline": {"auc": 0.6}},
        }
        | changes
    ).decode()


def ended(message: str, *, code: int = 0, reason: str = "") -> Object:
    """Status of a trainer's pod that has ended."""
    terminated = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "message": message,
        "startedAt": "2026-11-29T00:00:00Z",
        "finishedAt": "2026-11-29T00:01:00Z",
    }
    return {
        "phase": "Succeeded" if code == 0 else "Failed",
        "containerStatuses": [
            {
                "name": "trainer",
                "image": "trainer",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": terminated},
            }
        ],
    }
