"""Turns a pydantic type into a structural OpenAPI v3 schema, the only kind that a CRD accepts.

pydantic's JSON schema uses ``$ref``, ``anyOf`` with null, ``const``, ``propertyNames`` and titles; a structural
schema allows none of them. Bounds of a map's keys become a CEL rule, so that the API server refuses whatever the
types cannot read. Everything else (bounds, patterns, defaults, descriptions, CEL rules) is carried over.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from marquee.api.types import cel

_RULES = "x-kubernetes-validations"


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of ``model``, by its wire names.

    Raises:
        ValueError: the type uses a construct that a structural schema cannot say (a union of objects, a
            pattern for the keys of a map).

    """
    raw = model.model_json_schema(by_alias=True, mode="validation")
    definitions = raw.pop("$defs", {})
    return _convert(raw, definitions, model.__name__)


def _convert(node: dict[str, Any], definitions: dict[str, Any], where: str) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    flat = _flatten(node, definitions, where)
    if (keys := flat.pop("propertyNames", None)) is not None:
        flat[_RULES] = [*flat.get(_RULES, ()), _key_rule(keys, where)]
    for key, value in flat.items():
        converted |= _convert_keyword(key, value, definitions, where)
    if converted.get("x-kubernetes-int-or-string"):
        converted.pop("type", None)
    return converted


def _convert_keyword(key: str, value: Any, definitions: dict[str, Any], where: str) -> dict[str, Any]:
    """One keyword of JSON schema as a structural schema says it; empty for what it leaves out."""
    match key, value:
        case ("title" | "discriminator", _) | ("default", None) | ("additionalProperties", bool()):
            return {}
        case "patternProperties", _:
            raise ValueError(f"{where}: the keys of a map can be bounded in length only, not by a pattern")
        case "const", _:
            return {"enum": [value]}
        case "exclusiveMinimum", _:
            return {"minimum": value, "exclusiveMinimum": True}
        case "properties", _:
            return {key: {name: _convert(child, definitions, f"{where}.{name}") for name, child in value.items()}}
        case (("items" | "additionalProperties"), _):
            return {key: _convert(value, definitions, f"{where}[]")}
    return {key: value}


def _key_rule(keys: dict[str, Any], where: str) -> dict[str, str]:
    """The length of a map's keys. A pattern over them costs more than the server allows: their length is
    unknown to its estimate."""
    if unsupported := keys.keys() - {"minLength", "maxLength", "title", "type"}:
        raise ValueError(f"{where}: the keys of a map can be bounded in length only, not by {sorted(unsupported)}")
    low, high = keys.get("minLength", 0), keys["maxLength"]
    return cel(
        f"self.all(key, size(key) >= {low} && size(key) <= {high})",
        f"a key must have {low} to {high} characters",
    )


def _flatten(node: dict[str, Any], definitions: dict[str, Any], where: str) -> dict[str, Any]:
    """``node`` with references resolved and nullable unions reduced to their one other member."""
    node = dict(node)
    if reference := node.pop("$ref", None):
        target = _flatten(definitions[reference.rsplit("/", 1)[1]], definitions, where)
        return target | node
    for union in ("anyOf", "oneOf"):
        if union not in node:
            continue
        members = [member for member in node.pop(union) if member.get("type") != "null"]
        if node.get("x-kubernetes-int-or-string"):
            return node
        if len(members) != 1:
            raise ValueError(f"{where}: a structural schema has no unions; give the alternatives names instead")
        return _flatten(members[0], definitions, where) | node
    if (parts := node.pop("allOf", None)) is not None:
        merged: dict[str, Any] = {}
        for part in parts:
            merged |= _flatten(part, definitions, where)
        return merged | node
    return node
