"""Objects that Marquee did not make stay as they are, and objects that it made stay as they should be."""

from __future__ import annotations

import time

import pytest

from tests.api.operator.team import Team
from tests.support.kinds import Object, collection

FOREIGN: dict[str, tuple[str, Object]] = {
    "Service with a selector": (
        "Service",
        {"metadata": {"name": "lead"}, "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}},
    ),
    "Service without a selector": (
        "Service",
        {"metadata": {"name": "lead"}, "spec": {"ports": [{"name": "tls", "port": 443}]}},
    ),
    "bare ServiceAccount": ("ServiceAccount", {"metadata": {"name": "lead-predictor"}}),
    "PodDisruptionBudget": ("PodDisruptionBudget", {"metadata": {"name": "lead"}, "spec": {}}),
    "NetworkPolicy": ("NetworkPolicy", {"metadata": {"name": "lead"}, "spec": {"podSelector": {}}}),
    "Deployment": (
        "Deployment",
        {
            "metadata": {"name": "lead-v1"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "theirs"}},
                "template": {
                    "metadata": {"labels": {"app": "theirs"}},
                    "spec": {"containers": [{"name": "web", "image": "web"}]},
                },
            },
        },
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_object_of_the_same_name_is_left_alone(team: Team, what: str) -> None:
    """The model says whose name is taken and what to do; the object is not touched, not even for a moment."""
    kind, body = FOREIGN[what]
    answer = team.cluster.server.send("POST", collection(kind, team.namespace), body, fieldManager="somebody")
    assert answer.accepted, answer.message
    name = body["metadata"]["name"]
    time.sleep(0.3)  # for its own controller
    before = _told(team, kind, name)
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    condition = team.fails("lead", "NameConflict")
    assert f"{kind} {name!r} exists" in condition["message"]
    assert "\n" not in condition["message"]
    assert team.condition("lead", "Stalled")["status"] == "True"
    assert _told(team, kind, name) == before
    team.delete(kind, name)
    team.touch("lead")
    team.serves("lead", "lead-v1")


def _told(team: Team, kind: str, name: str) -> Object:
    """Without what the object's own controller notes."""
    body = team.the(kind, name)
    kept = {key: value for key, value in body["metadata"].items() if key not in {"resourceVersion", "managedFields"}}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": kept}
