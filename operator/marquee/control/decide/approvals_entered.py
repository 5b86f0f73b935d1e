"""Entries of the audit log about approvals: given, expired, voided, withdrawn; one in a pass, when nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from marquee.api.model_approval import ModelApproval
from marquee.audit.events import ApprovalChanged, Subject
from marquee.control.decide.approving import expired, policy_digest, void
from marquee.control.decide.decisions import is_away
from marquee.control.decide.facts import Facts
from marquee.control.decide.incidents import Turning, remembers
from marquee.control.decide.plan import Entry
from marquee.control.decide.table import Row
from marquee.control.render import names
from marquee.control.render.known_approvals import MAX_KNOWN, KnownApproval, known_text, read_known
from marquee.control.snapshot import Decision, Snapshot

Change = Literal["Given", "Expired", "Voided", "Withdrawn"]


def approving(snapshot: Snapshot, facts: Facts, row: Row, *, quiet: bool) -> Turning:
    """The next change that the log does not have, and what is known when it has it."""
    if facts.service is None or snapshot.audit is None or facts.external:
        return Turning()
    known = read_known(facts.service.annotations.get(names.ANNOTATION_APPROVALS))
    change = next(_changes(snapshot, known), None)
    if change is None or not remembers(facts, row):
        return Turning(known_text(known))
    if not quiet or is_away(snapshot):
        return Turning(known_text(known), due=True)
    name, state, now = change
    left = {key: one for key, one in known.items() if key != name} | ({name: now} if state != "Withdrawn" else {})
    return Turning(known_text(left), (_entry(snapshot, name, state, now),), due=True)


def _changes(snapshot: Snapshot, known: Mapping[str, KnownApproval]) -> Iterator[tuple[str, Change, KnownApproval]]:
    newest = sorted(snapshot.approvals, key=lambda one: one.metadata.creation_timestamp)[-MAX_KNOWN:]
    present = {one.metadata.name: one for one in newest}
    for name, before in sorted(known.items()):
        if name not in present or present[name].metadata.uid != before.uid:
            yield name, "Withdrawn", before
    if snapshot.model.spec.governance is None:
        return
    policy = policy_digest(snapshot.model)
    for name, approval in sorted(present.items()):
        state, before_state = _state(snapshot, approval, policy), known[name].state if name in known else ""
        # one that never counted changes nothing, and who may create approvals may create many
        if state != before_state and (before_state or state == "Given"):
            spec = approval.spec
            yield name, state, KnownApproval(approval.metadata.uid, state, spec.revision, spec.approver)


def _state(snapshot: Snapshot, approval: ModelApproval, policy: str) -> Literal["Given", "Expired", "Voided"]:
    if void(approval, snapshot.revision(approval.spec.revision), policy):
        return "Voided"
    return "Expired" if expired(approval, snapshot.now) else "Given"


def _entry(snapshot: Snapshot, name: str, change: Change, one: KnownApproval) -> Entry:
    uid = snapshot.model.metadata.uid
    event = ApprovalChanged(
        actor="",
        reason=f"{one.approver}: {change.lower()}",
        revision=one.revision,
        approval=name,
        change=change,
        approver=one.approver,
        approval_uid=one.uid,
        model_uid=uid,
    )
    subjects: tuple[Subject, ...] = ()
    if (revision := snapshot.revision(one.revision)) is not None:
        digest = revision.spec.artifact.digest.removeprefix("sha256:")
        subjects = (Subject(name=f"revision/{one.revision}", sha256=digest),)
    return Entry(Decision(f"approval@{one.uid}", 0, change, (), uid), event, subjects)
