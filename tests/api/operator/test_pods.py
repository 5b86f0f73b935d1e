"""Steps without a gateway on a real control plane: the Service takes in both arms, and their pods are the split."""

from __future__ import annotations

import json

import pytest

from tests.api.operator.team import Team

ARMS = {"marquee.dev/model": "lead", "app.kubernetes.io/name": "marquee-predictor"}
STEPS = [{"weight": 10, "approval": "Manual"}, {"weight": 40, "approval": "Manual"}]
SPEC = {"scaling": {"minReplicas": 4}, "rollout": {"drainSeconds": 1, "steps": STEPS}}


def replicas(lead: Team, revision: str) -> int:
    return int(lead.the("Deployment", revision)["spec"]["replicas"])


def selector(lead: Team) -> dict[str, str]:
    found: dict[str, str] = lead.the("Service", "lead")["spec"]["selector"]
    return found


def reached(lead: Team) -> dict[str, int]:
    """Ready pods behind the Service, by revision, as the endpoints' controller sees them."""
    wanted, found = selector(lead).items(), dict[str, int]()
    for pod in lead.objects("Pod"):
        labels, conditions = pod["metadata"]["labels"], pod.get("status", {}).get("conditions", ())
        is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        if wanted <= labels.items() and is_ready and "deletionTimestamp" not in pod["metadata"]:
            revision = labels["marquee.dev/revision"]
            found[revision] = found.get(revision, 0) + 1
    return found


def say(lead: Team, action: str, step: int | None = None) -> None:
    """What ``kubectl marquee`` writes."""
    rollout = lead.status("lead")["rollout"]["name"]
    command = json.dumps({"action": action, "rollout": rollout, "step": step})
    lead.edit("MarketingModel", "lead", {"metadata": {"annotations": {"marquee.dev/command": command}}})


@pytest.fixture
def lead(team: Team) -> Team:
    """A model whose first revision serves with four pods, and whose second one has its first user."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", **SPEC)
    team.serves("lead", "lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.model("lead", "lead-v2", **SPEC)
    team.wait(lambda: team.condition("lead").get("reason") == "AwaitingApproval", "the first step")
    return team


def test_pods_are_the_split_until_the_canary_has_them_all(lead: Team) -> None:
    """One beside four, three beside four, four beside four, four; and the status says what that comes to."""
    assert selector(lead) == ARMS
    assert reached(lead) == {"lead-v1": 4, "lead-v2": 1}
    rollout = lead.status("lead")["rollout"]
    assert (rollout["weight"], rollout["realised"]) == (10, "20 % of connections, by 1 of 5 pods; 10 % are asked for")
    assert lead.condition("lead", "StickyAssignment")["status"] == "False"
    say(lead, "promote", 0)
    lead.wait(lambda: reached(lead) == {"lead-v1": 4, "lead-v2": 3}, "the second step")
    lead.wait(lambda: lead.condition("lead").get("reason") == "AwaitingApproval", "the second step is over")
    say(lead, "promote", 1)
    lead.wait(lambda: selector(lead).get("marquee.dev/revision") == "lead-v2", "the takeover")
    assert reached(lead) == {"lead-v2": 4}
    lead.serves("lead", "lead-v2")
    lead.wait(lambda: lead.names("Deployment") == ["lead-v2"], "stable is gone")


def test_an_abort_gives_everybody_back_to_all_of_stables_pods(lead: Team) -> None:
    """One write, and no pod of stable has to come up for it."""
    say(lead, "promote", 0)
    lead.wait(lambda: reached(lead).get("lead-v2") == 3, "the second step")
    say(lead, "abort")
    lead.wait(lambda: selector(lead).get("marquee.dev/revision") == "lead-v1", "the withdrawal")
    assert reached(lead) == {"lead-v1": 4}
    lead.wait(lambda: lead.names("Deployment") == ["lead-v1"], "the canary is gone")
    assert lead.condition("lead")["reason"] == "Aborted"


def test_a_resting_step_is_quiet(lead: Team) -> None:
    """Whoever waits for a person writes nothing."""
    lead.rests("lead")


def test_a_selector_that_somebody_narrows_is_widened_again(lead: Team) -> None:
    """The split is the operator's."""
    lead.edit("Service", "lead", {"spec": {"selector": {"marquee.dev/revision": "lead-v1"}}})
    lead.wait(lambda: selector(lead) == ARMS, "both arms are reached")


def test_another_revision_is_kept_out_until_the_first_is_gone(lead: Team) -> None:
    """Its pods come up beside a Service that does not reach them."""
    lead.revision("lead-v3", digest="sha256:" + "3" * 64)
    lead.model("lead", "lead-v3", **SPEC)
    lead.wait(lambda: "lead-v3" in lead.names("Deployment"), "the third revision")
    assert selector(lead).get("marquee.dev/revision") == "lead-v1"
    lead.wait(lambda: reached(lead) == {"lead-v1": 4, "lead-v3": 1}, "the third revision's first step")
    assert lead.names("Deployment") == ["lead-v1", "lead-v3"]
