"""Marquee's own kinds as kopf's watch delivers them: parsed once, indexed, never older than what we wrote.

kopf calls `put` and `remove` for each event; `report` writes the server's replies back, so that a decision
right after a status write does not see the status of before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.control.observe.reading import StoredModel, read_model

ObjectKey = tuple[str, str]


@dataclass(slots=True)
class Resources:
    """MarketingModels and ModelRevisions of the watched namespaces."""

    _models: dict[ObjectKey, StoredModel] = field(default_factory=dict)
    _revisions: dict[ObjectKey, ModelRevision] = field(default_factory=dict)
    _revisions_of: dict[ObjectKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    _approvals: dict[ObjectKey, ModelApproval] = field(default_factory=dict)
    _approvals_of: dict[ObjectKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    _referrers: dict[ObjectKey, set[str]] = field(default_factory=lambda: defaultdict(set))

    def put_model(self, body: Mapping[str, Any]) -> bool:
        """Take a MarketingModel as the API server sent it, unless a newer one is known.

        Returns:
            Whether it tells anything new; False for the very version that is known already.

        """
        key = _key_of(body)
        known = self._models.get(key)
        if known is not None:
            newer = _newer_by(body, known.model.metadata.resource_version)
            if newer <= 0:
                return newer < 0  # an older one: somebody wrote before us, which only our own answer has shown
        stored = read_model(body, known)
        self._forget_reference(key)
        self._models[key] = stored
        if (name := stored.model.spec.pinned) is not None:
            self._referrers[key[0], name].add(key[1])
        return True

    def remove_model(self, namespace: str, name: str) -> None:
        """Forget a deleted MarketingModel."""
        self._forget_reference((namespace, name))
        self._models.pop((namespace, name), None)

    def put_revision(self, body: Mapping[str, Any]) -> None:
        """Take a ModelRevision; one that this version of Marquee cannot read counts as absent."""
        try:
            revision = ModelRevision.model_validate(body)
        except ValidationError:
            return
        key = (revision.metadata.namespace, revision.metadata.name)
        # known under another model: it was deleted and its name used again, and the watch missed that
        self.remove_revision(*key)
        self._revisions[key] = revision
        self._revisions_of[key[0], revision.spec.model].add(key[1])

    def remove_revision(self, namespace: str, name: str) -> None:
        """Forget a deleted ModelRevision."""
        revision = self._revisions.pop((namespace, name), None)
        if revision is not None:
            self._revisions_of[namespace, revision.spec.model].discard(name)

    def put_approval(self, body: Mapping[str, Any]) -> None:
        """Take a ModelApproval; one that cannot be read counts as absent."""
        key = _key_of(body)
        self.remove_approval(*key)
        try:
            approval = ModelApproval.model_validate(body)
            expires = datetime.fromisoformat(approval.spec.expires)
        except (ValidationError, ValueError):
            return
        if expires.tzinfo is not None:
            self._approvals[key] = approval
            self._approvals_of[key[0], approval.spec.model].add(key[1])

    def remove_approval(self, namespace: str, name: str) -> None:
        """Forget a deleted ModelApproval."""
        approval = self._approvals.pop((namespace, name), None)
        if approval is not None:
            self._approvals_of[namespace, approval.spec.model].discard(name)

    def approvals_of(self, namespace: str, model: str) -> tuple[ModelApproval, ...]:
        """The approvals of a model's revisions, the oldest first."""
        if not (names := self._approvals_of.get((namespace, model))):
            return ()
        found = (self._approvals[namespace, name] for name in names)
        return tuple(sorted(found, key=lambda one: (one.metadata.creation_timestamp, one.metadata.name)))

    def model(self, namespace: str, name: str) -> StoredModel | None:
        """The model by name."""
        return self._models.get((namespace, name))

    def models(self) -> list[MarketingModel]:
        """Every model."""
        return [stored.model for stored in self._models.values()]

    def revisions_of(self, namespace: str, model: str) -> tuple[ModelRevision, ...]:
        """The revisions of a model, by name."""
        return tuple(self._revisions[namespace, name] for name in sorted(self._revisions_of[namespace, model]))

    def revision(self, namespace: str, name: str) -> ModelRevision | None:
        """Any revision by name, whatever model it belongs to."""
        return self._revisions.get((namespace, name))

    def models_interested_in(self, namespace: str, revision: str, model: str) -> set[str]:
        """Models to look at again when a revision appears or goes: its own, and whoever names it."""
        return self._referrers[namespace, revision] | {model}

    def knows(self, namespace: str, name: str, kind: str) -> bool:
        """Whether the watch has delivered that object yet."""
        known = self._models if kind == MarketingModel.KIND else self._revisions
        return (namespace, name) in known

    def _forget_reference(self, key: ObjectKey) -> None:
        stored = self._models.get(key)
        if stored is not None and stored.model.spec.pinned is not None:
            self._referrers[key[0], stored.model.spec.pinned].discard(key[1])


def _key_of(body: Mapping[str, Any]) -> ObjectKey:
    metadata = body["metadata"]
    return metadata["namespace"], metadata["name"]


def _newer_by(body: Mapping[str, Any], known_version: str) -> int:
    """How much newer it is; versions that are no numbers cannot be compared, and count as newer."""
    offered = str(body["metadata"].get("resourceVersion", ""))
    return int(offered) - int(known_version) if offered.isdecimal() and known_version.isdecimal() else 1
