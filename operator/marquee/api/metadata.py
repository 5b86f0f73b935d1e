"""The part of ``metav1.ObjectMeta`` that Marquee reads."""

from __future__ import annotations

from pydantic import Field

from marquee.api.types import ApiModel


class Metadata(ApiModel):
    """Identity and bookkeeping of a stored object."""

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
