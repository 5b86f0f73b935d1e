"""Which approvals count for a revision, and why the others do not: four eyes, exact bytes, exact rules, in time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from marquee.api.governance import MAX_TOLD, GovernanceStatus
from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.contract.approval import ANNOTATION_AUTHOR, ANNOTATION_EDITOR
from marquee.control.render.record import plan_digest
from marquee.control.snapshot import Snapshot

_TOLD_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Weighed:
    """The wanted revision's approvals."""

    revision: ModelRevision
    policy: str
    required: int
    counted: tuple[ModelApproval, ...]
    rejected: tuple[str, ...]
    """Name and reason of each that does not count."""

    @property
    def enough(self) -> bool:
        """The revision may get users."""
        return len(self.counted) >= self.required

    @property
    def words(self) -> str:
        """What is there and what is missing."""
        by = ", ".join(approval.spec.approver for approval in self.counted)
        there = f"{len(self.counted)} of {self.required} approvals" + (f" (by {by})" if by else "")
        return there + "".join(f"; not counted: {one}" for one in self.rejected[:2])

    @property
    def next_expiry(self) -> datetime | None:
        """When the next of those that count does not any more."""
        return min((datetime.fromisoformat(one.spec.expires) for one in self.counted), default=None)

    def status(self) -> GovernanceStatus:
        """For people, and for whoever approves."""
        return GovernanceStatus(
            revision=self.revision.metadata.name,
            digest=self.revision.spec.artifact.digest,
            policy=self.policy,
            required=self.required,
            approvers=tuple(one.spec.approver for one in self.counted)[:MAX_TOLD],
            rejected=self.rejected[:MAX_TOLD],
        )


def weigh(snapshot: Snapshot, revision: ModelRevision) -> Weighed | None:
    """The approvals of a revision; None where the spec asks for none."""
    governance = snapshot.model.spec.governance
    if governance is None or governance.approvals is None:
        return None
    policy, editor = policy_digest(snapshot.model), editor_of(snapshot.model)
    counted: dict[str, ModelApproval] = {}
    rejected = []
    for approval in _of(snapshot, revision):
        why = _flaw(approval, revision, policy, snapshot.now)
        if not why and approval.spec.approver == editor:
            why = f"spec.approver: {editor} is who has changed last what the model asks for"
        if not why and approval.spec.approver in counted:
            why = f"spec.approver: {approval.spec.approver} has approved it already"
        if why:
            rejected.append(f"{approval.metadata.name}: {why}"[:_TOLD_LENGTH])
        else:
            counted[approval.spec.approver] = approval
    return Weighed(revision, policy, governance.approvals.required, tuple(counted.values()), tuple(rejected))


def editor_of(model: MarketingModel) -> str:
    """Who has changed last what approvals are about; empty where nobody says: admission lets nobody leave it out while
    approvals are asked for, so it is a spec from before that was so."""
    return model.metadata.annotations.get(ANNOTATION_EDITOR, "")


def policy_digest(model: MarketingModel) -> str:
    """Digest of the rules that an approval is about: the rollout's plan, all of governance, and spec.privacy.

    What is not set is left out, so that a field of a newer operator voids no approval.
    """
    governance, privacy = model.spec.governance, model.spec.privacy
    text = plan_digest(model) + (governance.model_dump_json(exclude_defaults=True) if governance is not None else "")
    if privacy is not None:
        asked = privacy.model_dump(mode="json", exclude_defaults=True)
        text += orjson.dumps(asked, option=orjson.OPT_SORT_KEYS).decode()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def void(approval: ModelApproval, revision: ModelRevision | None, policy: str) -> bool:
    """Whether what it was about has changed."""
    spec = approval.spec
    return revision is None or spec.digest != revision.spec.artifact.digest or spec.policy != policy


def expired(approval: ModelApproval, now: datetime) -> bool:
    """Whether its time is over."""
    return now >= datetime.fromisoformat(approval.spec.expires)


def _of(snapshot: Snapshot, revision: ModelRevision) -> Iterator[ModelApproval]:
    yield from (one for one in snapshot.approvals if one.spec.revision == revision.metadata.name)


def _flaw(approval: ModelApproval, revision: ModelRevision, policy: str, now: datetime) -> str:
    """Why one does not count by itself; empty when it does."""
    spec, author = approval.spec, revision.metadata.annotations.get(ANNOTATION_AUTHOR, "")
    if spec.digest != revision.spec.artifact.digest:
        return f"spec.digest: the revision's is {revision.spec.artifact.digest}"
    if spec.policy != policy:
        return f"spec.policy: the rules have changed since, their digest is {policy}"
    if expired(approval, now):
        return f"spec.expires: {spec.expires} is over"
    if not author:
        return f"nobody knows who made revision {revision.metadata.name}: it has no annotation {ANNOTATION_AUTHOR}"
    if spec.approver == author:
        return f"spec.approver: {author} is the revision's author"
    return ""
