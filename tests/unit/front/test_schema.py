"""The row validator against an oracle that knows nothing of it, and against the published JSON Schema."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bentos.front.columns import CategoryColumn
from bentos.front.openapi import inputs_schema
from bentos.front.schema import MAX_ERRORS, InvalidInputError, Schema, escape
from marquee.contract.manifest import CategoryField, InputField, NumberField
from tests.support.examples import examples

LARGEST = float(np.finfo(np.float64).max)
FLOAT32 = float(np.finfo(np.float32).max)
NAMES = ("alpha", "beta", "gamma", "delta")


_bounds = st.none() | st.integers(-20, 20).map(lambda half: half / 2)


def numeric_field(name: str, low: Any, high: Any, kind: Any, nullable: bool) -> NumberField:
    if low is not None and high is not None:
        low, high = sorted((low, high))
    return NumberField(name=name, kind=kind, minimum=low, maximum=high, nullable=nullable)


def category_field(name: str, count: int, other: bool, nullable: bool) -> CategoryField:
    categories = tuple("abcd"[:count])
    return CategoryField(name=name, categories=categories, other=0 if other else None, nullable=nullable)


def fields_named(name: str) -> st.SearchStrategy[InputField]:
    kinds = st.sampled_from(["number", "integer"])
    return st.one_of(
        st.builds(numeric_field, st.just(name), _bounds, _bounds, kinds, st.booleans()),
        st.builds(category_field, st.just(name), st.integers(1, 4), st.booleans(), st.booleans()),
    )


# Built once: strategies made inside of a test cost more than the test.
_fields = [fields_named(name) for name in NAMES]
schemas = st.one_of([st.tuples(*_fields[:count]) for count in range(1, len(NAMES) + 1)])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-15, 15),
    st.integers(-15, 15).map(float),
    st.floats(-15, 15),
    st.sampled_from(["a", "b", "d", "z", "", 2**53, 2**53 + 2, 1e300, -1e300, [], {}, [1], {"a": 1}]),
)
documents = st.one_of(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*NAMES, "unknown", "a/b"), values)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, values)),
    values,
)


def naive(fields: tuple[InputField, ...], document: object) -> tuple[list[float], set[str]]:
    """Row and pointers of errors, by the wording of the manifest's contract and nothing else."""
    if not isinstance(document, dict):
        return [], {"/inputs"}
    row, wrong = [], {f"/inputs/{escape(name)}" for name in document if name not in {f.name for f in fields}}
    for field in fields:
        value = document.get(field.name, ...)
        number = naive_value(field, value)
        if number is None:
            wrong.add(f"/inputs/{field.name}")
        else:
            row.append(number)
    return row, wrong


def naive_value(field: InputField, value: object) -> float | None:
    if value is None:
        return math.nan if field.nullable else None
    if isinstance(field, CategoryField):
        if not isinstance(value, str):
            return None
        return float(field.categories.index(value)) if value in field.categories else field.other
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if field.kind == "integer" and (value != int(value) or abs(value) > 2**53):
        return None
    below = field.minimum is not None and value < field.minimum
    above = field.maximum is not None and value > field.maximum
    return None if below or above else float(value)


@settings(max_examples=examples(100), deadline=None)
@given(schemas, documents)
def test_the_validator_agrees_with_a_naive_one(fields: tuple[InputField, ...], document: object) -> None:
    """For any schema and document: the same row, or errors at the same places."""
    row, wrong = naive(fields, document)
    schema = Schema(fields, largest=LARGEST)
    if wrong:
        with pytest.raises(InvalidInputError) as refused:
            schema.encode(document)
        assert {error.pointer for error in refused.value.errors} == wrong
    else:
        np.testing.assert_array_equal(schema.encode(document), [row])


@settings(max_examples=examples(100), deadline=None)
@given(schemas, documents)
def test_the_quick_way_never_says_yes_alone(fields: tuple[InputField, ...], document: object) -> None:
    """Whatever the quick way accepts, the slow way accepts with the same row."""
    schema = Schema(fields, largest=LARGEST)
    quick = schema._quickly(document)
    if quick is not None:
        np.testing.assert_array_equal(quick, schema.walk(document))


@settings(max_examples=examples(100), deadline=None)
@given(schemas, documents)
def test_the_published_schema_accepts_the_same_rows(fields: tuple[InputField, ...], document: object) -> None:
    """A client that validates by /openapi.json comes to the same verdict as the pod."""
    example = {field.name: None for field in fields}
    published = Draft202012Validator(inputs_schema(fields, example)).is_valid(document)
    try:
        Schema(fields, largest=LARGEST).encode(document)
    except InvalidInputError:
        accepted = False
    else:
        accepted = True
    assert accepted == published


@settings(max_examples=100, deadline=None)
@given(schemas, st.lists(values, min_size=1, max_size=6), st.integers(0, 3))
def test_a_column_of_rows_is_encoded_like_its_rows(
    fields: tuple[InputField, ...], column: list[object], position: int
) -> None:
    """Encoding a column at once gives what encoding each of its values gives."""
    schema = Schema(fields, largest=LARGEST)
    position %= len(fields)
    expected = [naive_value(fields[position], value) for value in column]
    if None in expected:
        with pytest.raises(InvalidInputError) as refused:
            schema.encode_column(position, column, "/inputs/0/data")
        wrong = {f"/inputs/0/data/{row}" for row, value in enumerate(expected) if value is None}
        assert {error.pointer for error in refused.value.errors} == wrong
    else:
        encoded = schema.encode_column(position, column, "/inputs/0/data")
        np.testing.assert_array_equal(encoded, np.array(expected, dtype=np.float64))


def test_numbers_beyond_the_models_type_are_refused() -> None:
    """A float64 that would become infinite as float32 is an error, not a prediction on infinity."""
    schema = Schema([NumberField(name="x")], largest=FLOAT32)
    assert schema.encode({"x": FLOAT32})[0, 0] == FLOAT32
    for number in (FLOAT32 * 1.001, -1e39):
        with pytest.raises(InvalidInputError):
            schema.encode({"x": number})


def test_nan_and_infinity_are_refused() -> None:
    """Numbers that JSON does not have are refused even where null is allowed."""
    schema = Schema([NumberField(name="x", nullable=True)], largest=LARGEST)
    for number in (math.nan, math.inf, -math.inf, 10**400):
        with pytest.raises(InvalidInputError) as refused:
            schema.walk({"x": number})
        assert refused.value.errors[0].kind == "number"


def test_errors_are_bounded() -> None:
    """Two thousand wrong fields give twenty errors."""
    fields = [NumberField(name=f"f{index}") for index in range(2_000)]
    with pytest.raises(InvalidInputError) as refused:
        Schema(fields, largest=LARGEST).encode({field.name: "x" for field in fields})
    assert len(refused.value.errors) == MAX_ERRORS


def test_long_lists_of_categories_are_cut_in_messages() -> None:
    """A message names the first categories and says where the others are."""
    field = CategoryField(name="c", categories=tuple(f"value{index}" for index in range(500)))
    wanted = CategoryColumn(field).wanted
    assert "'value7' and 492 more (see /openapi.json)" in wanted
    assert "value8" not in wanted
