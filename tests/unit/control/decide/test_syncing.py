"""Whether a stored object already says what a manifest wants."""

from __future__ import annotations

import copy
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.api.resources import ResourceRequirements
from marquee.api.schema import structural_schema
from marquee.control.decide.syncing import _quantity, is_in_sync
from marquee.control.kinds import DEPLOYMENT
from marquee.control.render.deployment import deployment
from tests.unit.control.builders import DEFAULTS, a_model, a_revision
from tests.unit.control.world import with_defaults

QUANTITY_PATTERN = structural_schema(ResourceRequirements)["properties"]["limits"]["additionalProperties"]["pattern"]
MANIFEST = deployment(a_model(revision={"name": "churn-1"}), a_revision("churn-1"), DEFAULTS)


def _quantities(value: Any, name: str = "cpu") -> dict[str, Any]:
    return {"resources": {"requests": {name: value}}}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("1000m", "1"),
        ("1", 1),
        (1, "1"),
        (2, "2000m"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1048576Ki", "1Gi"),
        ("2Ti", "2048Gi"),
        ("1e3", "1k"),
        ("1E3", "1000"),
        ("1500M", "1.5G"),
        ("1000000n", "1m"),
        ("1000u", "1m"),
        ("1P", "1000T"),
        ("1Ei", "1024Pi"),
        ("2E", "2000P"),
        ("0", 0),
    ],
)
def test_quantities_compare_by_value(mine: Any, theirs: Any) -> None:
    """The server stores a quantity in its own words."""
    assert is_in_sync(_quantities(mine), _quantities(theirs))


@pytest.mark.parametrize(
    ("mine", "theirs"), [("1000m", "1m"), ("1Gi", "1G"), ("1", "2"), ("1k", "1Ki"), ("1E", "1Ei"), ("1m", "1M")]
)
def test_other_quantities_differ(mine: Any, theirs: Any) -> None:
    """What is not the same amount is written."""
    assert not is_in_sync(_quantities(mine), _quantities(theirs))


def test_what_is_no_quantity_compares_as_text() -> None:
    """A value that cannot be read as an amount equals itself alone."""
    assert is_in_sync(_quantities("lots"), _quantities("lots"))
    assert not is_in_sync(_quantities("lots"), _quantities("more"))
    assert not is_in_sync(_quantities("1"), {"resources": {"requests": {}}})


@given(st.from_regex(rf"(?a){QUANTITY_PATTERN}", fullmatch=True))
def test_every_quantity_that_the_schema_allows_is_understood(text: str) -> None:
    """No amount that a model may ask for is compared as a text, unless it is beyond all bounds."""
    exponent = re.search(r"[eE][+-]?(\d+)$", text)
    if exponent is None or int(exponent[1]) < 100_000:
        assert isinstance(_quantity(text), Decimal)
        assert is_in_sync(_quantities(text), _quantities(f"0{text}"))


@pytest.mark.parametrize("absurd", ["1e999999999", "1E+99999999", "1e-999999999"])
def test_an_absurd_quantity_stops_nobody(absurd: str) -> None:
    """A number beyond arithmetic equals itself alone."""
    assert is_in_sync(_quantities(absurd), _quantities(absurd))
    assert not is_in_sync(_quantities(absurd), _quantities("1"))


def test_only_resources_hold_quantities() -> None:
    """Elsewhere 1000m is a text: an annotation that somebody changed is not the same."""
    assert not is_in_sync({"env": "1000m"}, {"env": "1"})
    assert not is_in_sync({"image": "1"}, {"image": 1})


def test_what_the_server_adds_is_no_difference() -> None:
    """Defaults, admission's additions and bookkeeping are not ours."""
    assert is_in_sync(MANIFEST, with_defaults(DEPLOYMENT, MANIFEST))


def test_a_field_that_somebody_removed_is_a_difference() -> None:
    """Every field of the manifest must be there."""
    stored = copy.deepcopy(MANIFEST)
    del stored["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"]
    assert not is_in_sync(MANIFEST, stored)


def test_a_field_that_the_manifest_no_longer_has_is_a_difference() -> None:
    """What we set before and leave out now must go: the digest of the manifest tells."""
    model = a_model(revision={"name": "churn-1"}, serving={"nodeSelector": {"pool": "gpu"}})
    before = deployment(model, a_revision("churn-1"), DEFAULTS)
    assert not is_in_sync(MANIFEST, before)


@pytest.mark.parametrize(
    "edit",
    [
        lambda pod: pod["containers"][0].update(image="example.com/other"),
        lambda pod: pod["containers"][0]["env"].pop(0),
        lambda pod: pod["containers"][0]["env"][0].update(value="other"),
        lambda pod: pod["containers"].pop(0),
        lambda pod: pod["volumes"].pop(0),
        lambda pod: pod["topologySpreadConstraints"].append(dict(pod["topologySpreadConstraints"][0])),
        lambda pod: pod["topologySpreadConstraints"].clear(),
        lambda pod: pod["containers"][0]["securityContext"]["capabilities"]["drop"].clear(),
        lambda pod: pod["containers"][0]["ports"][0].update(containerPort=1),
        lambda pod: pod.update(enableServiceLinks=True),
        lambda pod: pod.update(securityContext=None),
    ],
)
def test_an_edit_is_a_difference(edit: Any) -> None:
    """Whatever somebody changes in a field of ours is written back."""
    stored = with_defaults(DEPLOYMENT, MANIFEST)
    edit(stored["spec"]["template"]["spec"])
    assert not is_in_sync(MANIFEST, stored)


def test_named_lists_match_by_name() -> None:
    """Admission may add containers, volumes and variables, in any order."""
    stored = with_defaults(DEPLOYMENT, MANIFEST)
    pod = stored["spec"]["template"]["spec"]
    pod["containers"].insert(0, {"name": "mesh-proxy", "image": "example.com/mesh"})
    pod["containers"][1]["env"].reverse()
    pod["volumes"].insert(0, {"name": "mesh", "emptyDir": {}})
    assert is_in_sync(MANIFEST, stored)


def test_other_lists_are_compared_whole() -> None:
    """Order and length of a list without names are ours."""
    assert not is_in_sync({"a": [1, 2]}, {"a": [2, 1]})
    assert not is_in_sync({"a": [1]}, {"a": [1, 2]})
    assert not is_in_sync({"a": []}, {"a": [1]})
    assert is_in_sync({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]})


@pytest.mark.parametrize("empty", [{}, [], "", False, 0])
def test_an_empty_value_is_like_an_absent_one(empty: Any) -> None:
    """The server drops what says nothing."""
    assert is_in_sync({"a": empty}, {})
    assert is_in_sync({"a": empty}, {"a": empty})


@pytest.mark.parametrize("value", [{"b": 1}, [1], "x", True, 1, {"b": {"c": "x"}}])
def test_a_value_is_not_like_an_absent_one(value: Any) -> None:
    """What says something must be stored."""
    assert not is_in_sync({"a": value}, {})
    assert not is_in_sync({"a": value}, {"a": None})


_KEYS = st.text("abcdefgh", min_size=1, max_size=3)
_SCALARS = st.one_of(st.text("xyz", max_size=3), st.integers(0, 3), st.booleans())
_NAMED = st.lists(st.fixed_dictionaries({"name": _KEYS, "value": _SCALARS}), max_size=3, unique_by=lambda e: e["name"])
_TREES = st.recursive(
    st.one_of(_SCALARS, _NAMED, st.lists(_SCALARS, max_size=3)),
    lambda inner: st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(_KEYS, _TREES, max_size=4)


def _with_additions(value: Any, extra: Any) -> Any:
    """What a server may make of it: unknown fields in every object, unknown items in every named list."""
    if isinstance(value, dict):
        return {"added-field": extra} | {key: _with_additions(child, extra) for key, child in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [{"name": "added-item", "value": extra}, *(_with_additions(item, extra) for item in reversed(value))]
    return value


@given(_OBJECTS, _TREES)
def test_any_object_is_in_sync_with_itself_and_more(wanted: dict[str, Any], extra: Any) -> None:
    """Additions anywhere are no difference: a converged object is never written again."""
    assert is_in_sync(wanted, wanted)
    assert is_in_sync(wanted, _with_additions(wanted, extra))


@given(_OBJECTS, st.data())
def test_any_changed_value_is_found(wanted: dict[str, Any], data: st.DataObject) -> None:
    """Changing one scalar anywhere in the stored object is a difference."""
    places = list(_scalars(wanted, ()))
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    stored = copy.deepcopy(wanted)
    parent: Any = stored
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = "changed"
    assert not is_in_sync(wanted, stored)


def _scalars(value: Any, place: tuple[Any, ...]) -> Any:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _scalars(child, (*place, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _scalars(child, (*place, index))
    else:
        yield place


def test_a_selector_with_one_more_label_selects_something_else() -> None:
    """Elsewhere more is welcome: labels, annotations, whatever a server or a colleague adds."""
    wanted = {"spec": {"selector": {"model": "churn"}, "type": "ClusterIP"}}
    assert is_in_sync(wanted, {"spec": {"selector": {"model": "churn"}, "type": "ClusterIP", "clusterIP": "x"}})
    assert not is_in_sync(wanted, {"spec": {"selector": {"model": "churn", "arm": "a"}, "type": "ClusterIP"}})
