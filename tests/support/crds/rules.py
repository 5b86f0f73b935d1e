"""Enumerates every rule that a CRD's schema imposes on an object: bounds, patterns, enums, required, CEL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

Path = tuple[str, ...]
"""Names of fields; `[]` is an item of a list, `{}` a value of a map."""

ITEM: Final = "[]"
VALUE: Final = "{}"

_RULES: Final = frozenset(
    {
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "enum",
        "format",
        "pattern",
    }
)
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
        yield from _rules_in(Rule(kind, path, keyword, value), node)
    for name, child in node.get("properties", {}).items():
        yield from _walk(kind, child, (*path, name))
    if "items" in node:
        yield from _walk(kind, node["items"], (*path, ITEM))
    if "additionalProperties" in node:
        yield from _walk(kind, node["additionalProperties"], (*path, VALUE))


def _rules_in(found: Rule, node: dict[str, Any]) -> list[Rule]:
    """The rules that one keyword of a schema node stands for."""
    match found.keyword:
        case "required":
            return [replace(found, value=name) for name in found.value]
        case "x-kubernetes-validations":
            return [replace(found, keyword="cel", value=entry) for entry in found.value]
        case "x-kubernetes-list-type":
            keys = tuple(node.get("x-kubernetes-list-map-keys", ()))
            return [replace(found, keyword="unique", value=keys)] if found.value in {"map", "set"} else []
        case keyword if keyword in _RULES:
            return [found]
        case keyword if keyword in _NO_RULES:
            return []
    raise ValueError(f"{found}: teach tests/support/crds/rules.py the keyword {found.keyword!r}")
