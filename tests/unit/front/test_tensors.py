"""Inference requests of the Open Inference Protocol: both layouts, their shapes and their errors."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.front.schema import InvalidInputError, Schema
from bentos.front.tensors import MAX_ROWS, parse_infer
from marquee.contract.manifest import CategoryField, NumberField
from tests.support.examples import examples
from tests.unit.front.conftest import LEAD, SCORE, VALID

SCHEMA = Schema(LEAD, largest=float(np.finfo(np.float32).max))
ROW = [40.5, 3, 10.0, 1, 1]
Change = dict[str, Any]


def matrix(**change: Any) -> Change:
    tensor = {"name": "inputs", "shape": [1, 5], "datatype": "FP32", "data": ROW, **change}
    return {"inputs": [tensor]}


def named(rows: int = 1, **change: Change) -> Change:
    datatypes = {"age": "FP64", "visits": "INT32", "income": "FP32", "channel": "BYTES", "city": "BYTES"}
    tensors = [
        {"name": name, "shape": [rows], "datatype": datatypes[name], "data": [VALID[name]] * rows}
        | change.get(name, {})
        for name in datatypes
    ]
    return {"inputs": tensors}


def refused(document: object) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        parse_infer(document, SCHEMA, ("score",))
    return [item.pointer for item in error.value.errors]


async def infer(client: httpx.AsyncClient, document: object) -> httpx.Response:
    return await client.post("/v2/models/fixture/infer", json=document)


@pytest.mark.parametrize("document", [matrix(), matrix(data=[ROW]), named(), named(city={"shape": [1, 1]})])
async def test_both_layouts_predict_the_same(client: httpx.AsyncClient, document: Change) -> None:
    """One matrix or one tensor a field, flat or nested: the same row, the same score."""
    body = (await infer(client, document | {"id": "request-1"})).json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("fixture", "fixture-1", "request-1")
    assert body["outputs"] == [{"name": "score", "datatype": "FP64", "shape": [1], "data": [SCORE]}]


async def test_many_rows_come_back_in_order(client: httpx.AsyncClient) -> None:
    """Row i of the answer belongs to row i of the request, and one id covers them all."""
    rows = [[20.0 + index, 0, 0.0, 0, 0] for index in range(MAX_ROWS // 16)]
    response = await infer(client, matrix(shape=[len(rows), 5], data=rows))
    body = response.json()
    assert body["outputs"][0]["data"] == [row[0] for row in rows]
    assert body["parameters"]["prediction_id"] == response.headers["marquee-prediction-id"]


async def test_a_version_in_the_path_is_the_same_model(client: httpx.AsyncClient) -> None:
    """The versioned path answers for the served revision."""
    response = await client.post("/v2/models/fixture/versions/fixture-1/infer", json=matrix())
    assert response.json()["outputs"][0]["data"] == [SCORE]


async def test_errors_of_tensors_are_problems_with_an_error_member(client: httpx.AsyncClient) -> None:
    """Clients of the protocol find their message under ``error``."""
    response = await infer(client, matrix(shape=[1, 4]))
    assert response.status_code == 422
    assert response.json()["error"].startswith("/inputs/0/shape must be [rows, 5]")


def test_named_tensors_may_come_in_any_order() -> None:
    """The schema's order decides, not the request's."""
    document = named(rows=2)
    document["inputs"].reverse()
    np.testing.assert_array_equal(parse_infer(document, SCHEMA, ("score",)).rows, [ROW, ROW])


def test_null_in_a_tensor_is_a_missing_value() -> None:
    """A nullable field takes null in both layouts."""
    for document in (matrix(data=[40.5, 3, None, 1, None]), named(income={"data": [None]}, city={"data": [None]})):
        rows = parse_infer(document, SCHEMA, ("score",)).rows
        assert np.isnan(rows[0, [2, 4]]).all()
        np.testing.assert_array_equal(rows[0, [0, 1, 3]], [40.5, 3, 1])


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ([], [""]),
        ({}, ["/inputs"]),
        ({"inputs": []}, ["/inputs"]),
        ({"inputs": [1]}, ["/inputs/0"]),
        (matrix() | {"id": 7}, ["/id"]),
        (matrix() | {"more": 1}, ["/more"]),
        (matrix() | {"outputs": {}}, ["/outputs"]),
        (matrix() | {"outputs": [{"name": "nope"}]}, ["/outputs/0/name"]),
        (matrix(datatype="INT8"), ["/inputs/0/datatype"]),
        (matrix(shape=[5]), ["/inputs/0/shape"]),
        (matrix(shape=[0, 5]), ["/inputs/0/shape"]),
        (matrix(shape=[MAX_ROWS + 1, 5]), ["/inputs/0/shape"]),
        (matrix(shape=[1, 5, 1]), ["/inputs/0/shape"]),
        (matrix(shape=["1", 5]), ["/inputs/0/shape"]),
        (matrix(data="AAAA"), ["/inputs/0/data"]),
        (matrix(data=ROW[:4]), ["/inputs/0/data"]),
        (matrix(data=[ROW[:4]]), ["/inputs/0/data/0"]),
        (matrix(data=[17, 3, 10, 3, 1]), ["/inputs/0/data/0", "/inputs/0/data/3"]),
        (matrix(shape=[2, 5], data=[ROW, [40.5, 3, 10, 0.5, True]]), ["/inputs/0/data/1/3", "/inputs/0/data/1/4"]),
        (matrix(binary=True), ["/inputs/0/binary"]),
        (named(age={"name": "agee"}), ["/inputs/0/name", "/inputs"]),
        (named(age={"name": "visits"}), ["/inputs/1/name", "/inputs"]),
        (named(age={"datatype": "BYTES"}), ["/inputs/0/datatype"]),
        (named(channel={"datatype": "FP32"}), ["/inputs/3/datatype"]),
        (named(visits={"shape": [2]}), ["/inputs/1/shape"]),
        (named(rows=3, channel={"data": ["mail", "radio", 5]}), ["/inputs/3/data/1", "/inputs/3/data/2"]),
        (named(rows=2, age={"data": [40, 200]}), ["/inputs/0/data/1"]),
        (named(rows=2, age={"data": [[40], [40, 41]]}), ["/inputs/0/data/1"]),
        (named(rows=2, age={"data": [40]}), ["/inputs/0/data"]),
    ],
)
def test_what_is_wrong_is_pointed_at(document: object, pointers: list[str]) -> None:
    """Each mistake in a request has a pointer into it."""
    assert refused(document) == pointers


def test_chosen_outputs_are_returned_alone() -> None:
    """A request may ask for some of the outputs."""
    request = parse_infer(matrix() | {"outputs": [{"name": "b"}]}, SCHEMA, ("a", "b"))
    assert request.outputs == ("b",)
    assert parse_infer(matrix(), SCHEMA, ("a", "b")).outputs is None


def test_a_field_called_inputs_is_a_field() -> None:
    """Where the model has a field of the matrix's name, the name means the field."""
    schema = Schema([NumberField(name="inputs", kind="integer", minimum=0)], largest=1e38)
    tensor = {"name": "inputs", "shape": [2], "datatype": "INT64", "data": [4, 5]}
    np.testing.assert_array_equal(parse_infer({"inputs": [tensor]}, schema, ()).rows, [[4], [5]])


cells = st.one_of(st.none(), st.booleans(), st.integers(-3, 6), st.floats(-3, 6), st.sampled_from(["a", "b"]))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.booleans())
def test_a_matrix_is_checked_like_its_rows(rows: list[tuple[object, object]], nested: bool) -> None:
    """A matrix is accepted exactly when each of its rows is, with categories written as indexes."""
    number = NumberField(name="n", minimum=0, maximum=4, nullable=True)
    schema = Schema([number, CategoryField(name="c", categories=("a", "b", "c"))], largest=1e38)
    by_index = Schema([number, NumberField(name="c", kind="integer", minimum=0, maximum=2)], largest=1e38)
    data = [list(row) for row in rows] if nested else [cell for row in rows for cell in row]
    tensor = {"name": "inputs", "shape": [len(rows), 2], "datatype": "FP64", "data": data}
    try:
        expected = np.vstack([by_index.walk({"n": n, "c": c}) for n, c in rows])
    except InvalidInputError:
        with pytest.raises(InvalidInputError):
            parse_infer({"inputs": [tensor]}, schema, ())
    else:
        np.testing.assert_array_equal(parse_infer({"inputs": [tensor]}, schema, ()).rows, expected)
