"""values.yaml and its schema: complete, and strict enough to catch a slip of the finger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import jsonschema
import pytest
import yaml

from tests.support import chart

VALUES: Final = yaml.safe_load((chart.CHART / "values.yaml").read_text())
SCHEMA: Final = json.loads((chart.CHART / "values.schema.json").read_text())
FREE_FORM: Final = {
    ("serviceAccount", "annotations"),
    ("resources", "requests"),
    ("resources", "limits"),
    ("ledger", "resources", "requests"),
    ("ledger", "resources", "limits"),
    ("monitoring", "labels"),
    ("podAnnotations",),
    ("podLabels",),
    ("nodeSelector",),
    ("affinity",),
}
"""Maps whose keys are people's own, or Kubernetes'."""

Path = tuple[str, ...]


def blocks(value: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Every map of values.yaml whose keys the chart defines."""
    yield path
    for key, child in value.items():
        if isinstance(child, dict) and (*path, key) not in FREE_FORM:
            yield from blocks(child, (*path, key))


def within(path: Path, content: Any) -> Any:
    """The content below a path: `within(("a", "b"), 1)` is `{"a": {"b": 1}}`."""
    for key in reversed(path):
        content = {key: content}
    return content


def leaves(value: dict[str, Any], path: Path = ()) -> Iterator[Path]:
    """Every value of values.yaml that is no block."""
    for key, child in value.items():
        if isinstance(child, dict) and child and (*path, key) not in FREE_FORM:
            yield from leaves(child, (*path, key))
        else:
            yield (*path, key)


def schema_at(path: Path) -> dict[str, Any]:
    """The schema of the value at a path, references followed."""
    node = SCHEMA
    for key in path:
        node = node["properties"][key]
        while "$ref" in node:
            node = SCHEMA["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return dict(node)


@pytest.mark.parametrize("path", list(blocks(VALUES)), ids=".".join)
def test_misspelt_key_is_refused(path: Path) -> None:
    """A key that the chart does not know is named, with the place where it was found."""
    said = chart.refusal(within(path, {"mispelt": True}))
    assert "additional properties 'mispelt' not allowed" in said
    assert f"at '{''.join('/' + key for key in path)}'" in said


@pytest.mark.parametrize("path", list(leaves(VALUES)), ids=".".join)
def test_value_of_a_wrong_type_is_refused(path: Path) -> None:
    """A value that cannot be meant is named, with its place."""
    assert f"at '/{'/'.join(path)}" in chart.refusal(within(path, [[]]))


@pytest.mark.parametrize("path", list(blocks(VALUES)), ids=".".join)
def test_schema_knows_the_keys_of_the_values(path: Path) -> None:
    """values.yaml documents every key that the schema accepts, and no other."""
    value = VALUES
    for key in path:
        value = value[key]
    ignored = {"global"} if path == () else set()
    assert schema_at(path)["properties"].keys() - ignored == value.keys()


def test_defaults_satisfy_the_schema() -> None:
    """The schema is itself valid, and so is values.yaml under it."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(VALUES)


def test_every_value_is_explained() -> None:
    """Each block of values.yaml that is not plain from its name has a comment above or within it."""
    text = (chart.CHART / "values.yaml").read_text()
    assert len(re.findall(r"^ *# ", text, re.MULTILINE)) > len(VALUES)


REFUSED: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("negative replicas", {"replicas": -1}, "at '/replicas': minimum: got -1, want 0"),
    ("fractional workers", {"operator": {"workers": 1.5}}, "at '/operator/workers': got number, want integer"),
    ("unknown level", {"operator": {"logLevel": "info"}}, "one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
    ("pull policy", {"image": {"pullPolicy": "never"}}, "one of 'Always', 'IfNotPresent', 'Never'"),
    ("short digest", {"image": {"digest": "sha256:1"}}, "at '/image/digest': 'sha256:1' does not match pattern"),
    ("tag with a colon", {"image": {"tag": ":1"}}, "at '/image/tag'"),
    ("namespace in capitals", {"watchNamespaces": ["Growth"]}, "at '/watchNamespaces/0': 'Growth' does not match"),
    ("namespace twice", {"watchNamespaces": ["growth", "growth"]}, "items at 0 and 1 are equal"),
    ("namespaces as text", {"watchNamespaces": "growth"}, "at '/watchNamespaces': got string, want array"),
    ("memory in words", {"resources": {"limits": {"memory": "lots"}}}, "at '/resources/limits/memory'"),
    ("ledger's quota", {"ledger": {"quotas": {"outcomesPerSecond": 0}}}, "at '/ledger/quotas/outcomesPerSecond'"),
    ("size in words", {"ledger": {"persistence": {"size": "big"}}}, "at '/ledger/persistence/size': 'big' does not"),
    (
        "URL for a Secret",
        {"ledger": {"database": {"urlSecret": "postgresql://host/db"}}},
        "at '/ledger/database/urlSec",
    ),
    ("numeric label", {"podLabels": {"a": 1}}, "at '/podLabels/a': got number, want string"),
    ("misspelt toleration", {"tolerations": [{"efect": "NoExecute"}]}, "at '/tolerations/0'"),
    ("variable without a name", {"extraEnv": [{"value": "1"}]}, "at '/extraEnv/0': missing property 'name'"),
    (
        "setting as a variable",
        {"extraEnv": [{"name": "MARQUEE_OPERATOR_WORKERS", "value": "1"}]},
        "extraEnv: MARQUEE_OPERATOR_WORKERS is a setting of the operator; set it by the value",
    ),
    (
        "no account",
        {"serviceAccount": {"create": False}},
        "serviceAccount.name must name an existing ServiceAccount when serviceAccount.create is false",
    ),
]


@pytest.mark.parametrize(("values", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_impossible_value_is_refused(values: dict[str, Any], said: str) -> None:
    """What can't work is refused before anything is installed, in words that name the value."""
    assert said in chart.refusal(values)


@pytest.mark.parametrize(
    "values",
    [
        {"replicas": 0},
        {"global": {"anything": 1}},
        {"resources": {"limits": {"cpu": 1, "memory": "1.5Gi"}, "requests": {"cpu": "250m"}}},
        {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
        {"image": {"repository": "registry.example.com:5000/team/marquee_operator", "tag": "1.0-rc.1_x"}},
    ],
    ids=["paused", "part of another chart", "resources", "affinity", "own registry"],
)
def test_unusual_value_is_accepted(values: dict[str, Any]) -> None:
    """Strictness does not reach what people may well want."""
    assert chart.of_kind(chart.render(values), "Deployment")
