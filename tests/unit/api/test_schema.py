"""From pydantic types to structural schemas."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, StringConstraints

from marquee.api.schema import structural_schema
from marquee.api.types import ApiModel, Quantity, Timestamp, cel, extension, rules
from tests.support.crds.generated import crds


class Colour(StrEnum):
    """Two of them."""

    RED = "Red"
    BLUE = "Blue"


class Part(ApiModel):
    """A part."""

    size: int = Field(ge=1, le=9)


class Whole(ApiModel):
    """A whole."""

    kind: Literal["Whole"] = "Whole"
    colour: Colour | None = None
    part: Part = Field(default_factory=lambda: Part(size=1), json_schema_extra={"default": {"size": 1}})
    parts: tuple[Part, ...] = Field(default=(), max_length=3, json_schema_extra=extension(list_type="atomic"))
    by_name: dict[Annotated[str, StringConstraints(min_length=1, max_length=5)], Part] = Field(max_length=2)
    amount: Quantity
    when: Timestamp | None = None
    some_text: Annotated[str, StringConstraints(max_length=4)] = Field(
        json_schema_extra=rules(cel("self != 'no'", "must not be no", field_path=".x"))
    )
    above: float = Field(default=2.0, gt=1)


SCHEMA = structural_schema(Whole)
PROPERTIES = SCHEMA["properties"]


def test_fields_have_their_wire_names() -> None:
    """Python's snake_case becomes the API's camelCase."""
    assert list(PROPERTIES) == [
        "kind",
        "colour",
        "part",
        "parts",
        "byName",
        "amount",
        "when",
        "someText",
        "above",
    ]
    assert SCHEMA["required"] == ["byName", "amount", "someText"]


def test_a_reference_is_written_out() -> None:
    """A nested type stands where it is used, with what the field says about it."""
    assert PROPERTIES["part"] == {
        "type": "object",
        "description": "A part.",
        "properties": {"size": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["size"],
        "default": {"size": 1},
    }


def test_an_optional_field_is_its_type_without_null() -> None:
    """The API server prunes nulls; `X | None` is an X that may be left out, without a default."""
    assert PROPERTIES["colour"] == {"type": "string", "enum": ["Red", "Blue"], "description": "Two of them."}
    assert PROPERTIES["when"] == {"type": "string", "format": "date-time", "maxLength": 40}


def test_lists_and_maps_keep_their_bounds_and_extensions() -> None:
    """Item schemas, maxItems, maxProperties and the list type are carried over."""
    assert PROPERTIES["parts"]["maxItems"] == 3
    assert PROPERTIES["parts"]["x-kubernetes-list-type"] == "atomic"
    assert PROPERTIES["parts"]["items"]["properties"]["size"]["maximum"] == 9
    assert PROPERTIES["byName"]["maxProperties"] == 2
    assert PROPERTIES["byName"]["additionalProperties"]["required"] == ["size"]


def test_bounds_of_keys_become_a_rule() -> None:
    """A structural schema has no propertyNames, so that the length of keys is checked in CEL."""
    (rule,) = PROPERTIES["byName"]["x-kubernetes-validations"]
    assert rule["rule"] == "self.all(key, size(key) >= 1 && size(key) <= 5)"
    assert rule["message"] == "a key must have 1 to 5 characters"


def test_a_quantity_is_an_integer_or_a_string() -> None:
    """The union of the two is the one that structural schemas know."""
    assert PROPERTIES["amount"]["x-kubernetes-int-or-string"] is True
    assert "type" not in PROPERTIES["amount"]
    assert "anyOf" not in PROPERTIES["amount"]


def test_rules_and_constants_are_carried_over() -> None:
    """CEL rules keep message and fieldPath; a constant is an enum of one; an exclusive bound says so."""
    assert PROPERTIES["someText"]["x-kubernetes-validations"] == [
        {"rule": "self != 'no'", "message": "must not be no", "fieldPath": ".x"}
    ]
    assert PROPERTIES["kind"]["enum"] == ["Whole"]
    assert (PROPERTIES["above"]["minimum"], PROPERTIES["above"]["exclusiveMinimum"]) == (1, True)


def test_a_union_of_objects_is_refused() -> None:
    """What a structural schema cannot say is an error at generation, with the place."""

    class Other(ApiModel):
        """Another."""

    class Holder(ApiModel):
        """Holds one of two."""

        held: Part | Other

    with pytest.raises(ValueError, match=r"Holder\.held: a structural schema has no unions"):
        structural_schema(Holder)


def test_a_pattern_for_keys_is_refused() -> None:
    """The server's cost estimate does not allow a pattern over keys of unknown length."""

    class Holder(ApiModel):
        """Holds a map."""

        held: dict[Annotated[str, StringConstraints(pattern="^a+$", max_length=3)], str]

    with pytest.raises(ValueError, match=r"Holder\.held: the keys of a map can be bounded in length only"):
        structural_schema(Holder)


def _nodes(node: Any) -> list[dict[str, Any]]:
    children = [*node.get("properties", {}).values(), node.get("items"), node.get("additionalProperties")]
    return [node, *(found for child in children if child for found in _nodes(child))]


@pytest.mark.parametrize("crd", crds().values(), ids=crds())
def test_every_text_list_and_map_of_the_crds_is_bounded(crd: dict[str, Any]) -> None:
    """Nothing in an object of ours can grow without bound; the server's own metadata aside."""
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    roots = [schema["properties"][name] for name in ("spec", "status") if name in schema["properties"]]
    for node in (found for root in roots for found in _nodes(root)):
        kind = node.get("type")
        bounded = {
            "string": "maxLength" in node or "enum" in node,
            "array": "maxItems" in node,
            "object": "properties" in node or "maxProperties" in node,
        }
        assert bounded.get(str(kind), True), node


@pytest.mark.parametrize("crd", crds().values(), ids=crds())
def test_every_cel_rule_says_what_to_do(crd: dict[str, Any]) -> None:
    """A rule without a message would show people its expression."""
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for node in _nodes(schema):
        assert all(rule.get("message") for rule in node.get("x-kubernetes-validations", ()))
