"""The fairness gate on a real API server: a revision whose groups are too far apart gets no user, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.api.operator.team import Team
from tests.support import samples
from tests.support.kinds import collection

GOVERNANCE: Final = {
    "fairness": {
        "metric": "auc",
        "direction": "HigherIsBetter",
        "slices": [{"input": "region", "maximalGap": 0.05}],
        "minimumRows": 500,
    }
}


def publish(team: Team, name: str, groups: Mapping[str, tuple[int, float]]) -> None:
    """A revision that tells rows and auc of groups; its digest is made of the last letter of its name."""
    body = samples.revision(name, of="lead", namespace=team.namespace, uri="s3://models/x")
    body["spec"]["artifact"]["digest"] = "sha256:" + name[-1] * 64
    body["spec"]["slices"] = [
        {"name": group, "rows": rows, "metrics": [{"name": "auc", "value": value}]}
        for group, (rows, value) in groups.items()
    ]
    answer = team.cluster.server.create(collection("ModelRevision", team.namespace), body)
    assert answer.accepted, answer.message


def wait_for(team: Team, reason: str) -> str:
    """Until the model's condition has the reason; its message."""
    team.wait(lambda: team.condition("lead").get("reason") == reason, f"it is {reason}")
    return str(team.condition("lead")["message"])


def test_a_revision_gets_users_when_its_groups_are_close_enough(team: Team) -> None:
    """The first one is not deployed, a later one comes up and waits, each with its own reason; a fair one serves."""
    publish(team, "lead-v1", {"region=north": (1200, 0.81), "region=south": (900, 0.70)})
    team.model("lead", "lead-v1", governance=GOVERNANCE)
    message = wait_for(team, "FairnessExceeded")
    assert "lead-v1" in message
    assert "auc of region" in message
    assert "0.11" in message
    assert "0.05" in message
    assert team.names("Deployment") == []
    publish(team, "lead-v2", {"region=north": (1200, 0.81), "region=south": (900, 0.78)})
    team.model("lead", "lead-v2", governance=GOVERNANCE)
    team.serves("lead", "lead-v2")
    team.model("lead", "lead-v1", governance=GOVERNANCE)
    wait_for(team, "FairnessExceeded")
    team.wait(lambda: "lead-v1" in team.names("Deployment"), "its pods come up")
    assert team.receives("lead") == "lead-v2"
    publish(team, "lead-v3", {"region=north": (1200, 0.81), "region=south": (499, 0.81)})
    team.model("lead", "lead-v3", governance=GOVERNANCE)
    assert "lead-v3" in wait_for(team, "FairnessMissing")
    assert team.receives("lead") == "lead-v2"
    publish(team, "lead-v4", {"region=north": (1200, 0.83), "region=south": (900, 0.82)})
    team.model("lead", "lead-v4", governance=GOVERNANCE)
    team.serves("lead", "lead-v4")
