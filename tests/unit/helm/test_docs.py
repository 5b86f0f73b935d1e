"""docs/install.md says what the chart does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support import chart

DOCS: Final = (Path(__file__).resolve().parents[3] / "docs" / "install.md").read_text()
FOR_PEOPLE: Final = {"marquee-view", "marquee-edit", "marquee-auditor", "marquee-privacy-officer"}
VALUES: Final = yaml.safe_load((chart.CHART / "values.yaml").read_text())


def section(title: str) -> str:
    """The text of one chapter."""
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of all tables of one chapter, without headings."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_value_is_documented_with_its_default() -> None:
    """The table lists each value of values.yaml once, with the default that it has there."""
    documented = {name.strip("`"): yaml.safe_load(default.strip("`") or '""') for name, default, _ in rows("Values")}
    assert documented == {name: value_at(name) for name in documented}
    assert leaves(VALUES) == leaves_named(set(documented))


def test_every_rule_is_explained() -> None:
    """Each resource that the operator may touch is in the table, with exactly its verbs and a reason."""
    explained = {
        (resource, frozenset(verbs.split(", ")))
        for resources, verbs, reason in rows("Permissions")
        for resource in re.findall(r"`([a-z/]+)`", resources)
        if reason and verbs not in {"view, edit, admin", "edit, admin"}
    }
    assert explained == {
        (resource, frozenset(rule["verbs"]))
        for role in chart.of_kind(chart.render(), "Role", "ClusterRole")
        if role["metadata"]["name"] not in FOR_PEOPLE
        for rule in role["rules"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("link", re.findall(r"\]\(#([a-z-]+)\)", DOCS))
def test_links_within_the_page_lead_somewhere(link: str) -> None:
    """A link to a chapter names one that exists."""
    titles = re.findall(r"^## (.+)$", DOCS, re.MULTILINE)
    assert link in {title.lower().replace(" ", "-") for title in titles}


def value_at(name: str) -> Any:
    """A value of values.yaml by its dotted name."""
    value = VALUES
    for key in name.split("."):
        value = value[key]
    return value


def leaves(value: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted names of all values that hold no further ones."""
    names: set[str] = set()
    for key, child in value.items():
        if isinstance(child, dict) and child:
            names |= leaves(child, f"{prefix}{key}.")
        else:
            names.add(f"{prefix}{key}")
    return names


def leaves_named(names: set[str]) -> set[str]:
    """The same for documented names, of which some document a whole block."""
    found: set[str] = set()
    for name in names:
        value = value_at(name)
        found |= leaves(value, f"{name}.") if isinstance(value, dict) and value else {name}
    return found
