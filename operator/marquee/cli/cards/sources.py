"""What a card is made of: the model, its revision, approvals, and what the artifact's manifest tells in public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marquee.contract.card import PublicManifest

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sources:
    """Objects as the API server has them; empty where there is none."""

    manifest: PublicManifest | None
    model: Body = field(default_factory=dict)
    """MarketingModel."""
    revision: Body = field(default_factory=dict)
    """ModelRevision."""
    approvals: tuple[Body, ...] = ()
    """ModelApprovals of the revision's very digest."""

    @property
    def name(self) -> str:
        """Of the model."""
        if self.model:
            return f"{self.model['metadata']['namespace']}/{self.model['metadata']['name']}"
        return self.manifest.model if self.manifest is not None else ""

    @property
    def digest(self) -> str:
        """Of the artifact."""
        told = text_at(self.revision, "spec", "artifact", "digest")
        return told or (self.manifest.digest if self.manifest is not None else "")

    @property
    def card(self) -> Body:
        """What people say of the model."""
        found = at(self.model, "spec", "governance", "card")
        return found if isinstance(found, Mapping) else {}


def at(body: Body, *path: str) -> Any:
    """What stands there; None where nothing does."""
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def text_at(body: Body, *path: str) -> str:
    """The same as text; empty where nothing stands."""
    found = at(body, *path)
    return "" if found is None else str(found)
