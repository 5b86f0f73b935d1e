"""Approvals: which count, why the others do not, what waits for them, and what the audit log has of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.types import timestamp
from marquee.audit.events import ApprovalChanged, RolloutStepped
from marquee.contract.approval import ANNOTATION_AUTHOR, ANNOTATION_EDITOR
from marquee.control.decide import decide
from marquee.control.decide.approving import policy_digest, weigh
from marquee.control.render.record import plan_digest
from marquee.control.snapshot import LogReading, Snapshot
from tests.unit.control.builders import MODEL, NAMESPACE, NOW, a_revision, digest_of, snapshot
from tests.unit.control.logged_worlds import LoggedRampWorld

REVISION = f"{MODEL}-2"
GOVERNANCE = {"approvals": {"required": 2}}


def an_approval(policy: str, by: str = "anna", *, revision: str = REVISION, **fields: Any) -> dict[str, Any]:
    """One that counts, but for what the test says."""
    spec = {
        "model": MODEL,
        "revision": revision,
        "digest": digest_of(revision),
        "policy": policy,
        "approver": by,
        "expires": timestamp(NOW + timedelta(days=1)),
    }
    metadata = {"name": f"{revision}-{by}", "namespace": NAMESPACE, "uid": f"uid-{by}"}
    return {"metadata": metadata | {"creationTimestamp": timestamp(NOW)}, "spec": spec | fields}


def authored(revision: ModelRevision, author: str = "eve") -> ModelRevision:
    """The same, made by somebody."""
    annotations = {ANNOTATION_AUTHOR: author} if author else {}
    return revision.model_copy(update={"metadata": revision.metadata.model_copy(update={"annotations": annotations})})


def approved(*fields: dict[str, Any], author: str = "eve") -> Snapshot:
    """A model that asks for two approvals, and has those."""
    revision = authored(a_revision(REVISION), author)
    observed = snapshot(wanted=REVISION, revisions=(revision,), governance=GOVERNANCE)
    policy = policy_digest(observed.model)
    bodies = [an_approval(policy, f"user-{number}") for number in range(len(fields))]
    for number, one in enumerate(fields):
        bodies[number]["metadata"]["name"] = f"approval-{number}"
        bodies[number]["spec"] |= one
    return replace(observed, approvals=tuple(map(ModelApproval.model_validate, bodies)))


def edited(observed: Snapshot, editor: str) -> Snapshot:
    """The same, its spec changed last by somebody."""
    metadata = observed.model.metadata.model_copy(update={"annotations": {ANNOTATION_EDITOR: editor}})
    return replace(observed, model=observed.model.model_copy(update={"metadata": metadata}))


CASES: dict[str, tuple[tuple[dict[str, Any], ...], str, int, str]] = {
    # approvals, author, how many count, why the last one does not
    "two people": (({}, {}), "eve", 2, ""),
    "nobody": ((), "eve", 0, ""),
    "one person twice": (
        ({"approver": "anna"}, {"approver": "anna"}),
        "eve",
        1,
        "spec.approver: anna has approved it already",
    ),
    "the author": (({}, {"approver": "eve"}), "eve", 1, "spec.approver: eve is the revision's author"),
    "other bytes": (
        ({}, {"digest": "sha256:" + "9" * 64}),
        "eve",
        1,
        f"spec.digest: the revision's is {digest_of(REVISION)}",
    ),
    "another policy": (({}, {"policy": "0" * 16}), "eve", 1, "spec.policy: the rules have changed since"),
    "expired a second ago": (({}, {"expires": timestamp(NOW)}), "eve", 1, "spec.expires: 2024-11-22T12:00:00Z is over"),
    "an expired one and a newer one": (
        ({"approver": "anna", "expires": timestamp(NOW)}, {"approver": "anna"}, {}),
        "eve",
        2,
        "",
    ),
    "expires in another zone": (({}, {"expires": "2024-11-22T13:00:01+01:00"}), "eve", 2, ""),
    "of another revision": (({}, {"revision": f"{MODEL}-1"}), "eve", 1, ""),
    "an author nobody knows": (({}, {}), "", 0, "nobody knows who made revision churn-2"),
}


@pytest.mark.parametrize(("approvals", "author", "counted", "why"), CASES.values(), ids=CASES)
def test_who_counts_and_why_not(approvals: tuple[dict[str, Any], ...], author: str, counted: int, why: str) -> None:
    """The reason names the field."""
    observed = approved(*approvals, author=author)
    found = weigh(observed, observed.revisions[0])
    assert found is not None
    assert len(found.counted) == counted
    assert found.enough is (counted >= 2)
    if why:
        assert why in found.rejected[-1]


@pytest.mark.parametrize(
    ("editor", "counted"),
    [("user-1", 1), ("eve", 2), ("system:serviceaccount:argocd:controller", 2), ("", 2)],
    ids=["an approver", "the author", "a service account", "nobody says"],
)
def test_who_asks_for_a_revision_does_not_approve_it(editor: str, counted: int) -> None:
    """Neither the author nor who has changed the spec last: of three, another two must."""
    observed = edited(approved({}, {}), editor)
    found = weigh(observed, observed.revisions[0])
    assert found is not None
    assert len(found.counted) == counted
    expected = (
        [] if counted == 2 else ["approval-1: spec.approver: user-1 is who has changed last what the model asks for"]
    )
    assert list(found.rejected) == expected


def test_the_log_says_who_has_changed_the_spec() -> None:
    """Each decision names the spec's digest and its editor; where nobody says, nobody."""
    plan = decide(edited(replace(snapshot(), audit=LogReading()), "anna"))
    (entry,) = plan.entries
    assert isinstance(entry.event, RolloutStepped)
    assert entry.event.editor == "anna"
    assert entry.subjects[0].name == f"spec/{MODEL}/1"
    (entry,) = decide(replace(snapshot(), audit=LogReading())).entries
    assert isinstance(entry.event, RolloutStepped)
    assert entry.event.editor == ""


def test_what_is_not_asked_for_is_not_weighed() -> None:
    """Most models have no governance, and it need not ask for approvals."""
    for observed in (snapshot(), snapshot(governance={"explanations": True})):
        assert weigh(observed, observed.revisions[0]) is None


CARD = {"owner": "a", "intendedUse": "b", "limitations": "c", "humanOversight": "d"}
FAIRNESS = {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.1}]}


@pytest.mark.parametrize(
    "change",
    [
        {"riskClass": "Limited"},
        {"explanations": True},
        {"card": CARD},
        {"card": CARD | {"limitations": "x"}},
        {"fairness": FAIRNESS},
        {"fairness": FAIRNESS | {"minimumRows": 50}},
    ],
)
def test_every_rule_of_governance_is_part_of_the_policy(change: dict[str, Any]) -> None:
    """Whoever has approved by other rules has not approved by these."""
    assert policy_digest(snapshot(governance=GOVERNANCE | change).model) != policy_digest(
        snapshot(governance=GOVERNANCE).model
    )


def test_what_is_not_set_voids_no_approval() -> None:
    """The digest of a model with approvals alone is that of an operator that knew nothing else."""
    model = snapshot(governance=GOVERNANCE).model
    text = plan_digest(model) + '{"approvals":{"required":2}}'
    assert policy_digest(model) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_first_revision_is_not_deployed_before_it_is_approved() -> None:
    """Nothing is written but the status, which says what an approval has to name."""
    plan = decide(approved({}))
    assert plan.applies == ()
    assert plan.status.conditions[0].reason == "ApprovalsMissing"
    assert "1 of 2 approvals (by user-0)" in plan.status.conditions[0].message
    told = plan.status.governance
    assert told is not None
    assert (told.revision, told.digest, told.required) == (REVISION, digest_of(REVISION), 2)
    assert decide(approved({}, {})).applies != ()


class Governed(LoggedRampWorld):
    """A world in which people approve."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.approvals: list[dict[str, Any]] = []

    def snapshot(self) -> Snapshot:
        """With the approvals, and authors of all revisions."""
        observed = super().snapshot()
        revisions = tuple(authored(revision) for revision in observed.revisions)
        approvals = tuple(ModelApproval.model_validate(one) for one in self.approvals)
        return replace(observed, revisions=revisions, approvals=approvals)

    def approve(self, by: str, revision: str, **fields: Any) -> None:
        """What the plugin creates."""
        policy = policy_digest(super().snapshot().model)
        one = an_approval(policy, by, revision=revision)
        one["spec"] |= {"expires": timestamp(self.now + timedelta(days=1))} | fields
        self.approvals.append(one)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What the log has of approvals."""
        events = [one.event for one in self.log.statements if isinstance(one.event, ApprovalChanged)]
        return [(event.approver, event.change) for event in events]


def a_world() -> Governed:
    """``churn-1`` serves with two approvals, ``churn-2`` is wanted."""
    world = Governed()
    world.effects[REVISION] = 1.05
    world.add_revision(f"{MODEL}-1")
    world.set_spec(governance=GOVERNANCE)
    world.approve("anna", f"{MODEL}-1")
    world.approve("bob", f"{MODEL}-1")
    world.settle()
    assert world.serving == f"{MODEL}-1"
    world.add_revision(REVISION)
    world.set_spec(revision={"name": REVISION})
    return world


@pytest.mark.parametrize("die_after", [None, 0, 1, 2])
def test_a_rollout_waits_for_two_people_and_names_them(die_after: int | None) -> None:
    """Its pods come up meanwhile; each decision that gives it users is entered with its approvers."""
    world = a_world()
    world.settle()
    assert (world.serving, world.reason, world.record) == (f"{MODEL}-1", "ApprovalsMissing", None)
    assert REVISION in world.deployments()
    world.approve("anna", REVISION)
    world.settle()
    assert world.record is None
    world.approve("bob", REVISION)
    if die_after is not None:
        world.reconcile(die_after=die_after)
        world.restart_operator()
    world.settle()
    assert world.serving == REVISION
    steps = [one.event for one in world.log.statements if isinstance(one.event, RolloutStepped)]
    starts = [event.approvals for event in steps if event.verdict in {"Start", "Promote"}]
    assert set(starts) == {(f"anna ({REVISION}-anna)", f"bob ({REVISION}-bob)")}
    assert sorted(world.changes) == sorted([("anna", "Given"), ("bob", "Given")] * 2)
    assert world.unentered == []


def test_an_approval_that_goes_half_way_holds_the_rollout() -> None:
    """Expired, voided by another policy, or withdrawn: the weight stays, and the log has each."""
    world = a_world()
    world.effects[REVISION] = 1.0
    world.approve("anna", REVISION, expires=timestamp(world.now + timedelta(seconds=90)))
    world.approve("bob", REVISION)
    for _ in range(40):
        if world.record is not None:
            break
        world.reconcile()
        world.tick()
    record = world.record
    assert record is not None
    world.tick(200)
    world.effects[REVISION] = 1.5
    world.settle()
    assert (world.reason, world.serving) == ("ApprovalsMissing", f"{MODEL}-1")
    assert ("anna", "Expired") in world.changes
    world.approvals = [one for one in world.approvals if one["spec"]["approver"] != "bob"]
    world.settle()
    assert ("bob", "Withdrawn") in world.changes
    assert world.record is not None
    assert (world.record.name, world.record.step) == (record.name, record.step)


def test_another_policy_voids_what_was_said_about_the_old_one() -> None:
    """Who has approved one plan has not approved another."""
    world = a_world()
    world.approve("anna", REVISION)
    world.reconcile()
    world.reconcile()
    world.set_spec(governance={"approvals": {"required": 3}})
    world.settle()
    assert ("anna", "Voided") in world.changes
    assert world.serving == f"{MODEL}-1"


def test_nothing_is_entered_that_could_not_be_remembered() -> None:
    """While the Service is not written, entering the same again and again would keep the operator busy."""
    world = a_world()
    world.settle()
    world.set_spec(revision={"name": f"{MODEL}-9"})
    world.settle()
    world.approve("anna", REVISION)
    world.approve("bob", REVISION)
    before = len(world.log.raw)
    plan = world.reconcile()
    assert (plan.entries, plan.requeue_after_seconds, len(world.log.raw)) == ((), None, before)
    world.set_spec(revision={"name": REVISION})
    world.settle()
    assert world.changes[-2:] == [("anna", "Given"), ("bob", "Given")]


def test_decisions_name_the_gaps_that_they_were_made_by() -> None:
    """A revision of the world tells its groups; each entry that gives it users has them, and no other has."""
    rule = {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.1}], "minimumRows": 10}
    world = LoggedRampWorld()
    world.effects[REVISION] = 1.05
    world.add_revision(f"{MODEL}-1")
    world.settle()
    world.add_revision(REVISION)
    world.set_spec(governance={"fairness": rule}, revision={"name": REVISION})
    world.settle()
    assert (world.serving, world.reason, world.record) == (f"{MODEL}-1", "FairnessMissing", None)
    told = [
        {"name": f"region={name}", "rows": 100, "metrics": [{"name": "auc", "value": value}]}
        for name, value in (("north", 0.9), ("south", 0.85))
    ]
    del world.revisions[REVISION]
    world.add_revision(REVISION)
    world.revisions[REVISION]["spec"]["slices"] = told
    world.set_spec(governance={"fairness": rule | {"slices": [{"input": "region", "maximalGap": 0.01}]}})
    world.settle()
    assert (world.serving, world.reason, world.record) == (f"{MODEL}-1", "FairnessExceeded", None)
    world.set_spec(governance={"fairness": rule})
    world.settle()
    assert world.serving == REVISION
    steps = [one.event for one in world.log.statements if isinstance(one.event, RolloutStepped)]
    found = {event.revision: [(one.input, one.gap, one.maximal) for one in event.fairness] for event in steps}
    assert found == {f"{MODEL}-1": [], REVISION: [("region", "0.05", "0.1")]}
