"""A new revision: brought up beside stable, proven, switched to; and nothing of that when it is not good."""

from __future__ import annotations

import time

import pytest

from tests.api.operator.team import Team, container, ready

NOT_YET = container({"waiting": {"reason": "ContainerCreating"}})


@pytest.fixture
def lead(team: Team) -> Team:
    """A namespace in which ``lead-v1`` serves, and ``lead-v2`` exists."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    return team


def begin(lead: Team, revision: str = "lead-v2", **spec: object) -> None:
    """Start a rollout whose pods come up when the test says so."""
    lead.model("lead", revision, **lead.held(**spec))
    lead.wait(lambda: lead.status("lead").get("canary", {}).get("revision") == revision, "the rollout is on its way")


def test_users_stay_with_stable_until_the_new_revision_is_proven(lead: Team) -> None:
    """Beside, ready, proven, switched, drained, removed: in that order, and the status tells each."""
    begin(lead, rollout={"drainSeconds": 2})
    assert lead.names("Deployment") == ["lead-v1", "lead-v2"]
    assert lead.condition("lead")["reason"] == "Preparing"
    assert lead.condition("lead", "Reconciling")["status"] == "True"
    assert lead.condition("lead")["message"].endswith("revision lead-v1 keeps serving")
    assert lead.receives("lead") == "lead-v1"
    assert lead.status("lead")["stable"]["revision"] == "lead-v1"
    lead.pod_says("lead-v2", NOT_YET)
    lead.pod_says("lead-v2", ready(lead.cluster.spare_address))
    lead.wait(lambda: lead.receives("lead") == "lead-v2", "users are switched")
    switched = time.monotonic()
    assert lead.cluster.predictors.proven[lead.namespace, "lead-v2"] == 1
    lead.wait(lambda: lead.condition("lead")["reason"] == "Draining", "the old revision drains")
    assert lead.condition("lead")["status"] == "True"
    assert lead.status("lead")["stable"]["revision"] == "lead-v2"
    assert lead.names("Deployment") == ["lead-v1", "lead-v2"]
    lead.serves("lead", "lead-v2")
    assert time.monotonic() - switched > 1.5
    lead.wait(lambda: lead.names("Deployment") == ["lead-v2"], "the old revision is gone")


def test_a_service_that_vanishes_during_a_rollout_comes_back_with_stable(lead: Team) -> None:
    """The new revision is not ready: sending users there would be an outage."""
    begin(lead)
    lead.delete("Service", "lead")
    lead.wait(lambda: lead.get("Service", "lead") is not None, "the Service is back")
    assert lead.receives("lead") == "lead-v1"
    assert lead.status("lead")["stable"]["revision"] == "lead-v1"


@pytest.mark.parametrize("selected", ["lead-v2", "lead-v9", None])
def test_a_selector_edited_during_a_rollout_is_put_back(lead: Team, selected: str | None) -> None:
    """Whatever somebody makes of the Service's selector, users go to the revision that can answer them."""
    begin(lead)
    lead.edit("Service", "lead", {"spec": {"selector": {"marquee.dev/revision": selected}}})
    lead.wait(
        lambda: lead.the("Service", "lead")["spec"]["selector"].get("marquee.dev/revision") == "lead-v1",
        "users are back with stable",
    )
    assert lead.names("Deployment") == ["lead-v1", "lead-v2"]


def test_a_stable_deployment_that_vanishes_during_a_rollout_comes_back(lead: Team) -> None:
    """Users keep the revision that they have."""
    begin(lead)
    lead.delete("Deployment", "lead-v1")
    lead.pod_says("lead-v1", ready(lead.cluster.spare_address))
    lead.wait(lambda: lead.status("lead")["stable"]["readyReplicas"] == 1, "stable is back")
    assert lead.receives("lead") == "lead-v1"
    assert lead.names("Deployment") == ["lead-v1", "lead-v2"]


def test_going_back_removes_the_new_revision(lead: Team) -> None:
    """Naming the serving revision again ends the rollout; users have noticed nothing."""
    begin(lead)
    lead.model("lead", "lead-v1")
    lead.serves("lead", "lead-v1")
    lead.wait(lambda: lead.names("Deployment") == ["lead-v1"], "the new revision is gone")
    assert "canary" not in lead.status("lead")
    assert lead.receives("lead") == "lead-v1"


def test_a_third_revision_takes_the_place_of_a_stuck_second(lead: Team) -> None:
    """Only the serving and the wanted revision have pods."""
    begin(lead)
    lead.revision("lead-v3", digest="sha256:" + "3" * 64)
    lead.model("lead", "lead-v3")
    lead.serves("lead", "lead-v3")
    lead.wait(lambda: lead.names("Deployment") == ["lead-v3"], "the others are gone")


LIES = {
    "artifact_digest": ("sha256:" + "6" * 64, "digest"),
    "revision": ("lead-v7", "revision"),
    "model": ("churn", "model"),
    "status": ("500", "answered with 500: no prediction"),
}


def test_a_wrong_answer_to_the_probe_keeps_users_with_stable(team: Team) -> None:
    """Pods that are ready and serve other bytes get no users; they are asked again, and may still prove themselves."""
    for number, (field, (value, _)) in enumerate(LIES.items()):
        team.revision(f"lead{number}-v1")
        team.model(f"lead{number}", f"lead{number}-v1")
        team.revision(f"lead{number}-v2", digest="sha256:" + "2" * 64)
        team.cluster.predictors.lie(team.namespace, f"lead{number}-v2", **{field: value})
    for number in range(len(LIES)):
        team.serves(f"lead{number}", f"lead{number}-v1")
        team.model(f"lead{number}", f"lead{number}-v2")
    for number, (_, words) in enumerate(LIES.values()):
        message = team.fails(f"lead{number}", "ProbeFailed")["message"]
        assert message.startswith(f"revision lead{number}-v2: ")
        assert words in message
        assert message.endswith(f"revision lead{number}-v1 keeps serving")
        assert team.receives(f"lead{number}") == f"lead{number}-v1"
    for number in range(len(LIES)):
        team.cluster.predictors.lie(team.namespace, f"lead{number}-v2")
    for number in range(len(LIES)):
        team.serves(f"lead{number}", f"lead{number}-v2")
