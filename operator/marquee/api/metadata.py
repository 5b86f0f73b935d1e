"""The part of ``metav1.ObjectMeta`` that Marquee reads."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, field_validator

from marquee.api.types import GROUP, ApiModel

_OURS: Final = f"{GROUP}/"


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
    annotations: dict[str, str] = Field(default_factory=dict)
    """Marquee's own; kubectl keeps a whole manifest in one of the others."""

    @field_validator("annotations", mode="before")
    @classmethod
    def _only_ours(cls, value: Any) -> Any:
        return {key: text for key, text in value.items() if key.startswith(_OURS)} if isinstance(value, dict) else value
