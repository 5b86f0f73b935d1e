"""Renders the fields of the resources, their bounds, defaults and rules to Markdown: ``docs/resources.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marquee.api.crds import all_crds

_INTRODUCTION = """\
<!-- Generated from operator/marquee/api by `make generate`. Do not edit. -->
# Resources

Every field of `marquee.dev/v1alpha1`. The API server enforces all bounds and rules, and fills in the defaults;
`kubectl explain marketingmodel.spec` shows the same.
"""


def resources_document() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for crd in all_crds().values():
        names = crd["spec"]["names"]
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        parts.append(f"## {names['kind']} (`{names['shortNames'][0]}`)\n\n{schema['description']}\n")
        blocks = schema["properties"]
        parts.extend(_table(block, blocks[block]) for block in ("spec", "status") if block in blocks)
        rules = list(_rules("", schema))
        parts.append(
            "Rules:\n\n" + "\n".join(f"- `{where or 'metadata.name'}`: {what}" for where, what in rules) + "\n"
        )
    return "\n".join(parts)


def _table(name: str, schema: dict[str, Any]) -> str:
    rows = [f"| `{path}` | {kind} | {default} | {text} |" for path, kind, default, text in _rows(name, schema)]
    return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _rows(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    required = set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        default = "required" if name in required else _code(child["default"]) if child.get("default") else ""
        yield where, _kind(child), default, child.get("description", "").replace("\n", " ").replace("|", "\\|")
        nested = child.get("items", child)
        yield from _rows(f"{where}[]" if "items" in child else where, nested)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if schema.get("type") == "object" and "additionalProperties" in schema:
        return f"map of {_kind(schema['additionalProperties'])}"
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    return f"{schema.get('type', 'any')}{' ' + ' to '.join(bounds) if len(bounds) == 2 else ''}"


def _rules(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"{path}{rule.get('fieldPath', '')}", rule["message"]
    for name, child in schema.get("properties", {}).items():
        yield from _rules(f"{path}.{name}" if path else name, child)
    if isinstance(schema.get("items"), dict):
        yield from _rules(f"{path}[]", schema["items"])


def _code(value: Any) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Write the page to the file given as argument."""
    Path(sys.argv[1]).write_text(resources_document(), encoding="utf-8")
    print(f"wrote {sys.argv[1]}")


if __name__ == "__main__":
    main()
