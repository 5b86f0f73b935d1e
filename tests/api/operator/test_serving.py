"""A model that serves: what there is, that it stays that way, and that nothing is left when it goes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.api.operator.team import Team
from tests.support.kinds import Object
from tests.support.operator import OperatorProcess
from tests.support.samples import DIGEST

CHILDREN = {
    "ServiceAccount": ["lead-predictor"],
    "NetworkPolicy": ["lead"],
    "PodDisruptionBudget": ["lead"],
    "Deployment": ["lead-v1"],
    "Service": ["lead"],
    "HorizontalPodAutoscaler": [],
}


@pytest.fixture(scope="module")
def lead(shared_team: Team) -> Team:
    """A namespace in which the model ``lead`` serves ``lead-v1`` with two pods."""
    shared_team.revision("lead-v1")
    shared_team.model("lead", "lead-v1", scaling={"minReplicas": 2})
    shared_team.serves("lead", "lead-v1")
    return shared_team


def test_a_model_gets_its_children_and_says_that_it_serves(lead: Team) -> None:
    """Each child exists once and belongs to the model; the status names revision, digest, pods and address."""
    assert {kind: lead.names(kind) for kind in CHILDREN} == CHILDREN
    uid = lead.the("MarketingModel", "lead")["metadata"]["uid"]
    for kind, names in CHILDREN.items():
        for name in names:
            metadata = lead.the(kind, name)["metadata"]
            assert [(owner["uid"], owner["controller"]) for owner in metadata["ownerReferences"]] == [(uid, True)]
            assert metadata["labels"]["marquee.dev/team"] == "growth"
    status = lead.status("lead")
    assert {key: status["stable"][key] for key in ("revision", "digest", "replicas", "readyReplicas")} == {
        "revision": "lead-v1",
        "digest": DIGEST,
        "replicas": 2,
        "readyReplicas": 2,
    }
    assert status["url"] == f"http://lead.{lead.namespace}.svc"
    assert [(c["type"], c["status"], c["reason"]) for c in status["conditions"]] == [("Ready", "True", "Serving")]
    assert "canary" not in status
    assert lead.receives("lead") == "lead-v1"


EDITS: dict[str, tuple[str, str, Object]] = {
    "selector": ("Service", "lead", {"spec": {"selector": {"marquee.dev/revision": "lead-v9"}}}),
    "port": ("Service", "lead", {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 1}]}}),
    "label": ("NetworkPolicy", "lead", {"metadata": {"labels": {"marquee.dev/team": "finance"}}}),
    "ingress": ("NetworkPolicy", "lead", {"spec": {"ingress": [{}]}}),
    "budget": ("PodDisruptionBudget", "lead", {"spec": {"maxUnavailable": 2}}),
    "token": ("ServiceAccount", "lead-predictor", {"automountServiceAccountToken": True}),
    "replicas": ("Deployment", "lead-v1", {"spec": {"replicas": 5}}),
    "deadline": ("Deployment", "lead-v1", {"spec": {"progressDeadlineSeconds": 7}}),
    "owner": ("PodDisruptionBudget", "lead", {"metadata": {"ownerReferences": None}}),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_of_a_child_is_put_back(lead: Team, what: str) -> None:
    """Who edits a child instead of the model finds it as the model says a moment later."""
    kind, name, change = EDITS[what]
    before = _essence(lead.the(kind, name))
    assert _essence(lead.edit(kind, name, change)) != before
    lead.wait(lambda: _essence(lead.the(kind, name)) == before, f"{kind} {name} is as before")
    lead.serves("lead", "lead-v1")


def test_what_others_add_to_a_child_stays(lead: Team) -> None:
    """A label that somebody needs for himself is none of Marquee's business."""
    lead.edit("Service", "lead", {"metadata": {"labels": {"billing": "42"}, "annotations": {"note": "theirs"}}})
    lead.edit("PodDisruptionBudget", "lead", {"spec": {"maxUnavailable": 3}})
    lead.wait(lambda: lead.the("PodDisruptionBudget", "lead")["spec"]["maxUnavailable"] == 1, "the operator has looked")
    metadata = lead.the("Service", "lead")["metadata"]
    assert (metadata["labels"]["billing"], metadata["annotations"]["note"]) == ("42", "theirs")


@pytest.mark.parametrize("kind", [kind for kind, names in CHILDREN.items() if names])
def test_a_child_that_is_deleted_comes_back(lead: Team, kind: str) -> None:
    """Whoever deletes a child by hand has gained nothing but a new one."""
    (name,) = CHILDREN[kind]
    old = lead.the(kind, name)["metadata"]["uid"]
    lead.delete(kind, name)
    lead.wait(lambda: (lead.get(kind, name) or {"metadata": {"uid": old}})["metadata"]["uid"] != old, "it is back")
    lead.serves("lead", "lead-v1")
    assert {kind: lead.names(kind) for kind in CHILDREN} == CHILDREN


def test_converged_means_silent(team: Team, tmp_path: Path) -> None:
    """Looking at everything again writes nothing, nor does a restart, nor another default for what is new."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", scaling={"class": "HPA", "minReplicas": 2, "maxReplicas": 3})
    team.serves("lead", "lead-v1")
    team.wait(lambda: _is_still(team), "the operator has noted its last event")
    since = time.time()
    settings = {
        "watch_namespaces": team.namespace,
        "resync_seconds": "0.5",
        "lease_name": "silent",
        "log_level": "DEBUG",
        "predictor_image": "marquee/predictor:99.9.9",
    }
    with OperatorProcess(team.cluster.plane.kubeconfig, tmp_path / "log", **settings) as restarted:
        team.wait(lambda: restarted.metric("marquee_reconciles_total") >= 3, "it has looked at the model three times")
    assert team.operators_writes(since) == []


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_model_leaves_nothing(team: Team, propagation: str) -> None:
    """Its children go with it, and nobody brings one of them back."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.delete("MarketingModel", "lead", propagation=propagation)
    team.wait(lambda: team.get("MarketingModel", "lead") is None and team.is_gone("lead"), "all is gone")
    time.sleep(0.5)
    assert team.is_gone("lead")
    assert team.names("ModelRevision") == ["lead-v1"]


def test_a_model_can_be_deleted_and_created_again_at_once(team: Team) -> None:
    """The new model gets children of its own; what the former one has left is collected, and takes nothing along."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.delete("MarketingModel", "lead")
    team.model("lead", "lead-v1")
    uid = team.the("MarketingModel", "lead")["metadata"]["uid"]
    team.wait(lambda: _owners(team) == {uid}, "every child belongs to the new model")
    team.serves("lead", "lead-v1")
    time.sleep(1)
    assert {kind: team.names(kind) for kind in CHILDREN} == CHILDREN
    assert _owners(team) == {uid}


def test_orphans_are_taken_over_without_a_restart(team: Team) -> None:
    """``kubectl delete --cascade=orphan`` and a new model: the pods that serve go on serving."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    pods = team.names("Pod")
    team.delete("MarketingModel", "lead", propagation="Orphan")
    team.wait(lambda: team.get("MarketingModel", "lead") is None and _owners(team) == set(), "the children are orphans")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    assert _owners(team) == {team.the("MarketingModel", "lead")["metadata"]["uid"]}
    assert team.names("Pod") == pods


def _owners(team: Team) -> set[str]:
    return {
        owner["uid"]
        for kind in CHILDREN
        for body in team.objects(kind)
        for owner in body["metadata"].get("ownerReferences", ())
    }


def _essence(body: Object) -> Any:
    """What a manifest of ours says, whatever the server notes beside it."""
    metadata = body["metadata"]
    content = {key: value for key, value in body.items() if key not in {"metadata", "status"}}
    owners = [owner["uid"] for owner in metadata.get("ownerReferences", ())]
    return content, metadata["labels"], owners


def _is_still(team: Team) -> bool:
    moment = time.time()
    time.sleep(0.5)
    return team.operators_writes(moment) == []
