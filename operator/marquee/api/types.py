"""Building blocks of the resource types: the frozen base, bounded strings, quantities, CEL rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

GROUP = "marquee.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class ApiModel(BaseModel):
    """Frozen and camelCase. Unknown fields are ignored on reading: the API server has already refused or
    pruned them, and an operator must be able to read objects of a newer CRD during an upgrade."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_enum_values=False
    )


def cel(rule: str, message: str, *, field_path: str | None = None) -> dict[str, str]:
    """One ``x-kubernetes-validations`` entry; ``message`` says what is wrong and what to do."""
    entry = {"rule": rule, "message": message}
    if field_path:
        entry["fieldPath"] = field_path
    return entry


def rules(*entries: dict[str, str]) -> Callable[[dict[str, Any]], None]:
    """A ``json_schema_extra`` that attaches CEL rules to a type or a field."""

    def attach(schema: dict[str, Any]) -> None:
        schema.setdefault("x-kubernetes-validations", []).extend(entries)

    return attach


def extension(**values: Any) -> dict[str, Any]:
    """Kubernetes schema extensions by their names without prefix: ``list_type="map"`` and the like."""
    return {f"x-kubernetes-{key.replace('_', '-')}": value for key, value in values.items()}


ResourceName = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Text = Annotated[str, StringConstraints(max_length=1024)]
LabelValue = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$")
]
LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=317)]
Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maxLength": 32,
            "pattern": r"^(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+|[mkMGTPEnu]|[KMGTPE]i)?$",
        }
    ),
]
Timestamp = Annotated[str, StringConstraints(max_length=40), Field(json_schema_extra={"format": "date-time"})]


def timestamp(moment: datetime) -> str:
    """``metav1.Time``: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
