"""The generated OpenAPI document: valid, complete, and true about requests and replies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.unit.front.conftest import VALID
from tests.unit.front.test_tensors import matrix, named


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    return body


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for member in node.values():
            yield from references(member)
    elif isinstance(node, list):
        for member in node:
            yield from references(member)


def schema_of(document: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def test_the_document_has_the_shape_of_openapi(document: dict[str, Any]) -> None:
    """Version, info, paths and operations are there, and each operation has an id of its own."""
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "fixture"
    assert document["info"]["version"] == "fixture-1"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["responses"] for operation in operations)


def test_headers_of_a_unit_are_documented(document: dict[str, Any]) -> None:
    """Both ways to predict take the same optional headers."""
    for path in ("/predict", "/v2/models/fixture/infer"):
        parameters = document["paths"][path]["post"]["parameters"]
        names = {parameter["name"] for parameter in parameters}
        assert names == {"marquee-unit", "marquee-unit-hash", "marquee-bucket", "marquee-deadline-ms"}
        assert all(parameter["in"] == "header" and not parameter["required"] for parameter in parameters)


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: dict[str, Any]) -> None:
    """No dangling reference, no keyword that JSON Schema does not know how to read."""
    schemas = document["components"]["schemas"]
    assert {ref.removeprefix("#/components/schemas/") for ref in references(document)} <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_every_path_is_answered(document: dict[str, Any], client: httpx.AsyncClient) -> None:
    """What is documented exists."""
    for path, operations in document["paths"].items():
        for method in operations:
            response = await client.request(method, path, json={} if method == "post" else None)
            assert response.status_code in (200, 422), path


async def test_requests_and_replies_fit_their_schemas(document: dict[str, Any], client: httpx.AsyncClient) -> None:
    """Real requests, replies and problems are instances of what is published."""
    request = {"inputs": VALID, "unit": "customer-7"}
    schema_of(document, "Predict").validate(request)
    reply = await client.post("/predict", json=request)
    schema_of(document, "Prediction").validate(reply.json())
    refusal = await client.post("/predict", json={"inputs": {}})
    schema_of(document, "Problem").validate(refusal.json())
    for tensors in (matrix(), named()):
        schema_of(document, "InferRequest").validate(tensors)
        answer = await client.post("/v2/models/fixture/infer", json=tensors)
        schema_of(document, "InferResponse").validate(answer.json())


def test_the_example_is_valid(document: dict[str, Any]) -> None:
    """The example that a person copies out of the document can be sent."""
    inputs = document["components"]["schemas"]["Inputs"]
    Draft202012Validator(inputs).validate(inputs["examples"][0])
