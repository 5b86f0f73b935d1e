"""Enumerates every rule that a CRD's schema imposes on an object: bounds, patterns, enums, required, CEL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

Path = tuple[str, ...]
"""Names of fields; `[]` is an item of a list, `{}` a value of a map."""

ITEM: Final = "[]"
VALUE: Final = "{}"

BOUNDS: Final = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "maxItems", "minProperties", "maxProperties", "enum", "format"}
)
"""Rules whose accepted and refused values follow from the rule itself."""

_NO_RULES: Final = frozenset(
    {
        "default",
        "description",
        "type",
        "properties",
        "items",
        "additionalProperties",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
    }
)


@dataclass(frozen=True)
class Rule:
    """One keyword of the schema at one path; `required` and CEL give one rule an entry."""

    kind: str
    path: Path
    keyword: str
    value: Any

    def __str__(self) -> str:
        if self.keyword == "required":
            return f"{self.kind} {location((*self.path, self.value))} required"
        detail = f" ({self.value['message'][:40]})" if self.keyword == "cel" else ""
        return f"{self.kind} {location(self.path)} {self.keyword}{detail}"


def rules_of(crd: dict[str, Any]) -> list[Rule]:
    """Every rule of the CRD's one version, in the order of the schema."""
    (version,) = crd["spec"]["versions"]
    return list(_walk(crd["spec"]["names"]["kind"], version["schema"]["openAPIV3Schema"], ()))


def location(path: Path) -> str:
    """The path as the API server writes it, for the first item of each list."""
    return ".".join(path).replace(f".{ITEM}", "[0]") or "<nil>"


def _walk(kind: str, node: dict[str, Any], path: Path) -> Iterator[Rule]:
    for keyword, value in node.items():
        match keyword:
            case "required":
                yield from (Rule(kind, path, "required", name) for name in value)
            case "x-kubernetes-validations":
                yield from (Rule(kind, path, "cel", entry) for entry in value)
            case "x-kubernetes-list-type":
                if value == "map":
                    yield Rule(kind, path, "unique", tuple(node["x-kubernetes-list-map-keys"]))
            case "pattern":
                yield Rule(kind, path, keyword, value)
            case _ if keyword in BOUNDS:
                yield Rule(kind, path, keyword, value)
            case _ if keyword not in _NO_RULES:
                raise ValueError(f"{kind} {location(path)}: teach tests/support/crds/rules.py the keyword {keyword!r}")
    for name, child in node.get("properties", {}).items():
        yield from _walk(kind, child, (*path, name))
    if "items" in node:
        yield from _walk(kind, node["items"], (*path, ITEM))
    if "additionalProperties" in node:
        yield from _walk(kind, node["additionalProperties"], (*path, VALUE))
