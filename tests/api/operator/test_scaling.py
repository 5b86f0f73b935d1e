"""Who sets the number of pods: the spec, an autoscaler, or somebody else; never two of them."""

from __future__ import annotations

import time

import pytest

from tests.api.operator.team import Team
from tests.support.kinds import Object

HPA = {"class": "HPA", "minReplicas": 2, "maxReplicas": 4, "cpuUtilizationPercent": 60}


def replicas(team: Team, revision: str) -> int:
    return int(team.the("Deployment", revision)["spec"]["replicas"])


@pytest.fixture
def lead(team: Team) -> Team:
    """A namespace with two revisions of ``lead``; none serves yet."""
    team.revision("lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    return team


def test_an_autoscaler_follows_the_serving_revision(lead: Team) -> None:
    """It scales stable while a revision is on its way, the new one after the switch, and goes with the class."""
    lead.model("lead", "lead-v1", scaling=HPA)
    lead.serves("lead", "lead-v1")
    spec = lead.the("HorizontalPodAutoscaler", "lead")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (2, 4, "lead-v1")
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    lead.edit("Deployment", "lead-v1", {"spec": {"replicas": 4}}, subresource="scale")
    lead.model("lead", "lead-v2", scaling=HPA)
    lead.serves("lead", "lead-v2")
    assert lead.the("HorizontalPodAutoscaler", "lead")["spec"]["scaleTargetRef"]["name"] == "lead-v2"
    assert replicas(lead, "lead-v2") == 4
    lead.model("lead", "lead-v2", scaling={"minReplicas": 1})
    lead.wait(lambda: lead.get("HorizontalPodAutoscaler", "lead") is None, "the autoscaler is gone")
    lead.wait(lambda: replicas(lead, "lead-v2") == 1, "one pod as asked")
    lead.serves("lead", "lead-v2")


def test_what_others_have_scaled_stays(lead: Team) -> None:
    """Class External starts with minReplicas and never touches the number again, whatever else changes."""
    lead.model("lead", "lead-v1", scaling={"class": "External", "minReplicas": 2})
    lead.serves("lead", "lead-v1")
    assert replicas(lead, "lead-v1") == 2
    lead.edit("Deployment", "lead-v1", {"spec": {"replicas": 1}}, subresource="scale")
    lead.model("lead", "lead-v1", scaling={"class": "External", "minReplicas": 3}, serving={"threads": 2})
    lead.wait(lambda: "2" in _environment(lead, "lead-v1", "MARQUEE_THREADS"), "the change has reached the pods")
    lead.serves("lead", "lead-v1")
    assert replicas(lead, "lead-v1") == 1


def test_kubectl_scale_works_on_the_model(lead: Team) -> None:
    """The scale subresource sets minReplicas, and names the pods that an autoscaler of autoscalers would count."""
    lead.model("lead", "lead-v1")
    lead.serves("lead", "lead-v1")
    lead.cluster.plane.kubectl("scale", "mm", "lead", "--replicas=3", "-n", lead.namespace)
    lead.wait(lambda: lead.status("lead").get("stable", {}).get("readyReplicas") == 3, "three pods")
    scale = lead.cluster.server.get(lead.path("MarketingModel", "lead") + "/scale")
    assert scale["spec"]["replicas"] == 3
    assert scale["status"] == {"replicas": 3, "selector": "marquee.dev/model=lead"}


def test_fewer_pods_are_reported_when_there_are_fewer(lead: Team) -> None:
    """The status never says that the new number serves while the old one still does."""
    lead.model("lead", "lead-v1", scaling={"minReplicas": 3})
    lead.serves("lead", "lead-v1")
    lead.model("lead", "lead-v1", scaling={"minReplicas": 1})
    seen: list[Object] = []

    def done() -> bool:
        seen.append(lead.status("lead"))
        return seen[-1].get("phase") == "Serving"

    lead.wait(done, "one pod serves")
    assert seen[-1]["stable"]["readyReplicas"] == 1


def test_the_number_is_held_where_nobody_else_scales(lead: Team) -> None:
    """Class None: a Deployment scaled by hand goes back to minReplicas, in both directions."""
    lead.model("lead", "lead-v1", scaling={"minReplicas": 2})
    lead.serves("lead", "lead-v1")
    for by_hand in (5, 1):
        lead.edit("Deployment", "lead-v1", {"spec": {"replicas": by_hand}}, subresource="scale")
        lead.wait(lambda: replicas(lead, "lead-v1") == 2, "two pods again")
        lead.serves("lead", "lead-v1")


def test_an_autoscaled_number_survives_a_change_of_resources(lead: Team) -> None:
    """Changing the pods must not reset what the autoscaler has found to be needed."""
    lead.model("lead", "lead-v1", scaling=HPA)
    lead.serves("lead", "lead-v1")
    lead.edit("Deployment", "lead-v1", {"spec": {"replicas": 3}}, subresource="scale")
    lead.model("lead", "lead-v1", scaling=HPA, serving={"threads": 2})
    lead.wait(lambda: "2" in _environment(lead, "lead-v1", "MARQUEE_THREADS"), "the change has reached the pods")
    lead.serves("lead", "lead-v1")
    time.sleep(0.5)
    assert replicas(lead, "lead-v1") == 3


def _environment(team: Team, revision: str, variable: str) -> list[str]:
    container = team.the("Deployment", revision)["spec"]["template"]["spec"]["containers"][0]
    return [entry["value"] for entry in container["env"] if entry["name"] == variable]
