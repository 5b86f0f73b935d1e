"""Approvals on a real API server: who may say what at admission, and a rollout that waits for two people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marquee.api.types import timestamp
from marquee.contract.approval import ANNOTATION_AUTHOR, ANNOTATION_EDITOR
from tests.api.operator.team import QUICK, Team
from tests.support import chart, samples
from tests.support.apiserver import Answer
from tests.support.kinds import Object, collection
from tests.support.simulation import SimulatedCluster

ROBOT = "system:serviceaccount:growth:robot"
GOVERNANCE = {"approvals": {"required": 2}}


@pytest.fixture(scope="module", autouse=True)
def _admission(cluster: SimulatedCluster) -> None:
    """The chart's policies, in force."""
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    root = "/apis/admissionregistration.k8s.io/v1"
    plurals = {kinds[0]: "validatingadmissionpolicies", kinds[1]: "validatingadmissionpolicybindings"}
    found = chart.of_kind(chart.render(), *kinds)
    assert len(found) == 6
    for body in found:
        answer = cluster.server.create(f"{root}/{plurals[body['kind']]}", body)
        assert answer.accepted, answer.message


@pytest.fixture
def governed(team: Team) -> Team:
    """A namespace in which the policies have begun to be enforced, which takes the API server a moment."""
    team.wait(
        lambda: not approve(team, "probe", claims="somebody else", dry_run=True).accepted, "admission is in force"
    )
    return team


def revision(team: Team, name: str, author: str, *, said: str | None = None) -> Answer:
    """Somebody publishes a revision, and says who has made it."""
    body = samples.revision(name, of="lead", namespace=team.namespace, uri="s3://models/x")
    body["metadata"]["annotations"] = {ANNOTATION_AUTHOR: author if said is None else said}
    body["spec"]["artifact"]["digest"] = "sha256:" + str(len(name)) * 64
    return team.cluster.server.send("POST", collection("ModelRevision", team.namespace), body, user=author)


def approve(team: Team, user: str, *, claims: str = "", dry_run: bool = False, **fields: Any) -> Answer:
    """Somebody approves what the model's status asks for, and says who that is."""
    asked = (team.get("MarketingModel", "lead") or {}).get("status", {}).get("governance", {})
    spec: Object = {
        "model": "lead",
        "revision": asked.get("revision", "lead-v1"),
        "digest": asked.get("digest", "sha256:" + "7" * 64),
        "policy": asked.get("policy", "0" * 16),
        "approver": claims or user,
        "expires": timestamp(datetime.now(UTC) + timedelta(hours=1)),
    }
    body = {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "ModelApproval",
        "metadata": {"generateName": "lead-", "namespace": team.namespace},
        "spec": spec | fields,
    }
    path = collection("ModelApproval", team.namespace)
    return team.cluster.server.send("POST", path, body, user=user, dry_run=dry_run)


def ask(team: Team, user: str, wanted: str, *, said: str | None = None, **spec: Any) -> Answer:
    """Somebody, or a pipeline, applies a model that wants a revision, and says who has changed it."""
    body = samples.model("lead", revision=wanted, namespace=team.namespace)
    body["metadata"]["annotations"] = {ANNOTATION_EDITOR: user if said is None else said}
    body["spec"] |= {"rollout": QUICK, "governance": GOVERNANCE} | spec
    return team.cluster.server.send(
        "PATCH",
        team.path("MarketingModel", "lead"),
        body,
        content_type="application/apply-patch+yaml",
        user=user,
        fieldManager="people",
        force="true",
    )


def change(team: Team, kind: str, name: str, body: Object, user: str) -> Answer:
    """Somebody edits an object."""
    path = team.path(kind, name)
    return team.cluster.server.send("PATCH", path, body, content_type="application/merge-patch+json", user=user)


def test_nobody_speaks_for_another(governed: Team) -> None:
    """The API server's word about the user counts, not the object's; nothing is edited afterwards."""
    refusals = {
        approve(governed, "anna", claims="bob").message: "spec.approver: must be you, anna, and nobody else",
        approve(governed, ROBOT).message: "a service account cannot approve",
        revision(governed, "lead-v1", "eve", said="bob").message: "must be you, eve, or left out",
    }
    for message, words in refusals.items():
        assert words in message
    assert revision(governed, "lead-v1", "eve").accepted
    change: Object = {"metadata": {"annotations": {ANNOTATION_AUTHOR: "bob"}}}
    path = governed.path("ModelRevision", "lead-v1")
    for said in ("bob", None):
        change["metadata"]["annotations"][ANNOTATION_AUTHOR] = said
        answer = governed.cluster.server.send(
            "PATCH", path, change, content_type="application/merge-patch+json", user="bob"
        )
        assert "says who has made it, and never changes" in answer.message
    made = approve(governed, "anna")
    assert made.accepted, made.message
    answer = governed.cluster.server.send(
        "PATCH",
        governed.path("ModelApproval", made.body["metadata"]["name"]),
        {"spec": {"expires": "2099-01-01T00:00:00Z"}},
        content_type="application/merge-patch+json",
        user="anna",
    )
    assert "a ModelApproval is immutable" in answer.message


def test_a_rollout_waits_for_two_people_who_have_not_made_it(governed: Team) -> None:
    """The author's word, another digest and another policy do not count, and the status says which field is why."""
    assert revision(governed, "lead-v1", "eve").accepted
    assert ask(governed, ROBOT, "lead-v1").accepted
    governed.fails("lead", "ApprovalsMissing")
    assert governed.names("Deployment") == []
    for user in ("anna", "bob"):
        assert approve(governed, user).accepted
    governed.serves("lead", "lead-v1")
    assert revision(governed, "lead-v22", "eve").accepted
    assert ask(governed, "fred", "lead-v22").accepted
    governed.wait(lambda: governed.condition("lead").get("reason") == "ApprovalsMissing", "it waits for people")
    assert approve(governed, "eve").accepted
    assert approve(governed, "fred").accepted
    assert approve(governed, "anna", digest="sha256:" + "0" * 64).accepted
    assert approve(governed, "bob", policy="0" * 16).accepted
    assert approve(governed, "carl", expires="2020-01-01T00:00:00Z").accepted
    assert approve(governed, "dora").accepted
    governed.wait(
        lambda: len(governed.status("lead").get("governance", {}).get("rejected", ())) == 5, "five do not count"
    )
    governed.wait(lambda: governed.status("lead")["governance"].get("approvers") == ["dora"], "one counts")
    governance = governed.status("lead")["governance"]
    for field in (
        "spec.approver: fred is who has changed last what the model asks for",
        "spec.approver: eve is the revision's author",
        "spec.digest",
        "spec.policy",
        "spec.expires",
    ):
        assert any(field in one for one in governance["rejected"]), field
    assert governed.receives("lead") == "lead-v1"
    assert approve(governed, "anna").accepted
    governed.serves("lead", "lead-v22")


OURS = "must be you, bob: you change what approvals are about"
EDITS: dict[str, tuple[Object, str]] = {
    # what bob changes of a model that fred has changed last, and why he may not
    "its revision, and says nothing": ({"spec": {"revision": {"name": "lead-v2"}}}, OURS),
    "its revision, and says it was another": (
        {"metadata": {"annotations": {ANNOTATION_EDITOR: "anna"}}, "spec": {"revision": {"name": "lead-v2"}}},
        OURS,
    ),
    "its revision, and leaves it out": (
        {"metadata": {"annotations": {ANNOTATION_EDITOR: None}}, "spec": {"revision": {"name": "lead-v2"}}},
        OURS,
    ),
    "its revision": (
        {"metadata": {"annotations": {ANNOTATION_EDITOR: "bob"}}, "spec": {"revision": {"name": "lead-v2"}}},
        "",
    ),
    "its steps": ({"spec": {"rollout": {"drainSeconds": 1}}}, OURS),
    "that it asks for approvals": ({"spec": {"governance": None}}, OURS),
    "its replicas": ({"spec": {"scaling": {"minReplicas": 2}}}, ""),
    "who has changed it": ({"metadata": {"annotations": {ANNOTATION_EDITOR: "bob"}}}, "says who has changed it last"),
    "that anybody has": ({"metadata": {"annotations": {ANNOTATION_EDITOR: None}}}, "says who has changed it last"),
    "another annotation": ({"metadata": {"annotations": {"touched": "yes"}}}, ""),
}


@pytest.mark.parametrize(("body", "why"), EDITS.values(), ids=EDITS)
def test_who_changes_what_is_asked_for_says_so(governed: Team, body: Object, why: str) -> None:
    """By the API server's word, for what approvals are about; of all else nothing is asked."""
    assert "must be you, fred" in ask(governed, "fred", "lead-v1", said="anna").message
    assert ask(governed, "fred", "lead-v1").accepted
    answer = change(governed, "MarketingModel", "lead", body, "bob")
    assert answer.accepted is (why == "")
    assert why in answer.message


def test_what_nobody_has_to_approve_need_not_say(governed: Team) -> None:
    """A model without approvals, or a freeze: who says something says the truth, and who asks for approvals says it."""
    free = ask(governed, "fred", "lead-v1", said="", governance={"explanations": True})
    assert free.accepted, free.message
    assert change(governed, "MarketingModel", "lead", {"spec": {"revision": {"name": "lead-v2"}}}, "bob").accepted
    asked = change(governed, "MarketingModel", "lead", {"spec": {"governance": GOVERNANCE}}, "bob")
    assert OURS in asked.message
    frozen: Object = {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "PromotionFreeze",
        "metadata": {"name": "audit", "annotations": {ANNOTATION_EDITOR: "anna"}},
        "spec": {"reason": "audit"},
    }
    path = collection("PromotionFreeze", governed.namespace)
    assert "must be you, bob, or left out" in governed.cluster.server.send("POST", path, frozen, user="bob").message
    assert governed.cluster.server.send("POST", path, frozen, user="anna").accepted
    later: Object = {"spec": {"last": "2999-12-31"}}
    assert "must be you, bob, or left out" in change(governed, "PromotionFreeze", "audit", later, "bob").message
    later["metadata"] = {"annotations": {ANNOTATION_EDITOR: None}}
    assert change(governed, "PromotionFreeze", "audit", later, "bob").accepted
