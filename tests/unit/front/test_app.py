"""The endpoints over ASGI: what is answered, what is refused and how, and what falls through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import httpx
import orjson
import pytest

from bentos.front.admission import MAX_WAITING
from bentos.front.app import Front
from bentos.front.asgi import Message
from bentos.front.predictor import Predictor
from tests.unit.front.conftest import LIMIT, SCORE, VALID, Behind

Errors = list[dict[str, str]]


async def predict(client: httpx.AsyncClient, inputs: object, **more: object) -> httpx.Response:
    return await client.post("/predict", json={"inputs": inputs, **more})


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:marquee:problem:{kind}"
    assert body["status"] == status
    assert body["error"] == body["detail"]
    return body


async def test_predict_answers_a_row_by_names(client: httpx.AsyncClient) -> None:
    """A valid row gets its outputs, who answered, and an id that the header repeats."""
    response = await predict(client, VALID, unit="customer-7")
    assert response.status_code == 200
    body = response.json()
    assert body == {
        "outputs": {"score": SCORE},
        "model": "fixture",
        "revision": "fixture-1",
        "predictionId": response.headers["marquee-prediction-id"],
    }


async def test_prediction_ids_are_unique_and_in_order_of_time(client: httpx.AsyncClient) -> None:
    """Two predictions never share an id, and a later millisecond sorts later."""
    ids = [(await predict(client, VALID)).json()["predictionId"] for _ in range(200)]
    assert len(set(ids)) == len(ids)
    assert [identifier[:12] for identifier in ids] == sorted(identifier[:12] for identifier in ids)


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"age": "40"}, "/inputs/age", "is a text; must be a number from 18 to 120"),
        ({"age": True}, "/inputs/age", "is a boolean"),
        ({"age": None}, "/inputs/age", "is null"),
        ({"age": 17.9}, "/inputs/age", "at least 18"),
        ({"age": 121}, "/inputs/age", "at most 120"),
        ({"visits": 1.5}, "/inputs/visits", "no whole number"),
        ({"visits": 2**60}, "/inputs/visits", "too large"),
        ({"income": 1e39}, "/inputs/income", "too large"),
        ({"income": []}, "/inputs/income", "is a list; must be a number or null"),
        ({"channel": "radio"}, "/inputs/channel", "one of 'mail', 'search', 'social'"),
        ({"channel": None}, "/inputs/channel", "is null"),
        ({"city": 5}, "/inputs/city", "is a number; must be a text or null"),
        ({"a/b~c": 1}, "/inputs/a~1b~0c", "not known"),
    ],
)
async def test_an_invalid_field_is_named(
    client: httpx.AsyncClient, change: dict[str, Any], pointer: str, words: str
) -> None:
    """A 422 points at the field and says what it must be."""
    body = problem(await predict(client, VALID | change), 422, "invalid-input")
    (error,) = body["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert pointer in body["detail"]


async def test_a_missing_field_is_named(client: httpx.AsyncClient) -> None:
    """A field that is not there is an error of its own."""
    inputs = {name: value for name, value in VALID.items() if name != "visits"}
    body = problem(await predict(client, inputs), 422, "invalid-input")
    detail = "is missing; must be a whole number of at least 0"
    assert body["errors"] == [{"pointer": "/inputs/visits", "detail": detail}]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_nan_names_its_field(client: httpx.AsyncClient, number: str) -> None:
    """A body with NaN is no JSON, but the answer still names the field instead of a byte offset."""
    body = orjson.dumps({"inputs": VALID}).replace(b"40.5", number.encode())
    response = await client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert problem(response, 422, "invalid-input")["errors"][0]["pointer"] == "/inputs/age"


async def test_all_errors_are_collected_up_to_a_bound(client: httpx.AsyncClient) -> None:
    """One answer names every bad field, and no request makes it longer than twenty."""
    body = problem(await predict(client, {"age": "x", "visits": -1, "more": 1}), 422, "invalid-input")
    pointers = [error["pointer"] for error in body["errors"]]
    expected = ["age", "visits", "income", "channel", "city", "more"]
    assert pointers == [f"/inputs/{name}" for name in expected]
    body = problem(await predict(client, {f"x{index}": 1 for index in range(100)}), 422, "invalid-input")
    assert len(body["errors"]) == 20


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({}, "/inputs"),
        ({"inputs": [VALID]}, "/inputs"),
        ({"inputs": VALID, "unit": 7}, "/unit"),
        ({"inputs": VALID, "unit": ""}, "/unit"),
        ({"inputs": VALID, "unit": "u" * 257}, "/unit"),
        ({"inputs": VALID, "purposes": ["ads"]}, "/purposes"),
    ],
)
async def test_the_document_around_the_row_is_checked(
    client: httpx.AsyncClient, document: object, pointer: str
) -> None:
    """Wrong shapes and unknown members of the body are refused by name."""
    body = problem(await client.post("/predict", json=document), 422, "invalid-input")
    assert [error["pointer"] for error in body["errors"]] == [pointer]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"inputs":{"age":1,}}', b"[" * 3_000, b'"\\ud800"'])
async def test_malformed_json_is_a_400(client: httpx.AsyncClient, body: bytes) -> None:
    """What is no JSON is told apart from JSON that does not fit."""
    response = await client.post("/predict", content=body, headers={"content-type": "application/json"})
    problem(response, 400, "malformed-json")


async def test_unknown_paths_of_the_protocol_are_a_404(client: httpx.AsyncClient) -> None:
    """Another model, another version or a mistyped path is answered with what is served here."""
    for path in ("/v2/models/other", "/v2/models/fixture/versions/fixture-2/infer", "/v2/nothing"):
        body = problem(await client.get(path), 404, "not-found")
        assert "/v2/models/fixture" in body["detail"]


async def test_wrong_methods_are_a_405(client: httpx.AsyncClient) -> None:
    """The answer says which methods are right."""
    response = await client.get("/predict")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"
    response = await client.post("/v2/health/ready", content=b"")
    assert response.headers["allow"] == "GET, HEAD"
    assert (await client.head("/v2/health/ready")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "inference-header-content-length": "10"},
    ],
)
async def test_other_media_types_are_a_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """Forms, compressed bodies and binary tensors are refused before they are read."""
    problem(await client.post("/predict", content=b"{}", headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_may_be_spelled_with_parameters(client: httpx.AsyncClient, media_type: str) -> None:
    """Parameters and letter case of the media type do not matter."""
    content = orjson.dumps({"inputs": VALID})
    response = await client.post("/predict", content=content, headers={"content-type": media_type})
    assert response.status_code == 200


async def test_a_declared_body_over_the_limit_is_a_413(client: httpx.AsyncClient) -> None:
    """A body that announces too many bytes is not parsed, and the connection ends."""
    response = await predict(client, {"age": "x" * LIMIT})
    problem(response, 413, "body-too-large")
    assert response.headers["connection"] == "close"


async def test_a_client_that_asks_first_is_refused_before_it_sends(front: Front) -> None:
    """With Expect: 100-continue nothing of an oversized body is read: the client never starts."""
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", b"999999"), (b"expect", b"100-continue")]
    await front({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)
    assert sent[0]["status"] == 413


async def test_a_client_that_stalls_is_answered(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A huge body that is announced and never sent does not hold the connection for ever."""
    monkeypatch.setattr("bentos.front.asgi._DISCARD_SECONDS", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("waited for ever")

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", b"999999")]
    await front({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)
    assert sent[0]["status"] == 413


async def test_an_undeclared_body_over_the_limit_is_a_413(client: httpx.AsyncClient) -> None:
    """Without a content length the limit holds as well."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b" " * 1_024

    response = await client.post("/predict", content=chunks(), headers={"content-type": "application/json"})
    problem(response, 413, "body-too-large")


async def test_a_body_of_many_messages_is_joined(client: httpx.AsyncClient) -> None:
    """A body below the limit may come in pieces."""

    async def chunks() -> AsyncIterator[bytes]:
        for byte in orjson.dumps({"inputs": VALID}):
            yield bytes([byte])

    response = await client.post("/predict", content=chunks(), headers={"content-type": "application/json"})
    assert response.json()["outputs"] == {"score": SCORE}


async def test_a_client_that_leaves_gets_nothing(front: Front) -> None:
    """A connection that breaks inside of a body costs no answer and leaves no request in flight."""
    messages: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await front({"type": "http", "method": "POST", "path": "/predict", "headers": []}, receive, send)
    assert sent == []
    assert front.metrics.in_flight == 0


async def test_health_and_metadata(client: httpx.AsyncClient) -> None:
    """The protocol's descriptions name the model, its version and its tensors."""
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2")).json()["name"] == "marquee"
    for path in ("/v2/models/fixture", "/v2/models/fixture/versions/fixture-1"):
        body = (await client.get(path)).json()
        assert body["name"] == "fixture"
        assert body["versions"] == ["fixture-1"]
        assert body["inputs"] == [{"name": "inputs", "datatype": "FP64", "shape": [-1, 5]}]
        assert [field["datatype"] for field in body["parameters"]["fields"]] == [
            "FP64", "INT64", "FP64", "BYTES", "BYTES",
        ]  # fmt: skip
        assert (await client.get(f"{path}/ready")).status_code == 200


async def test_the_probe_predicts_the_example(client: httpx.AsyncClient, predictor: Predictor) -> None:
    """The probe goes the whole way and says which bytes answered."""
    body = (await client.get("/marquee/probe")).json()
    assert body["outputs"] == {"score": SCORE}
    assert body["artifactDigest"] == predictor.digest
    assert (body["model"], body["revision"]) == ("fixture", "fixture-1")


async def test_other_paths_fall_through(client: httpx.AsyncClient, behind: Behind, front: Front) -> None:
    """What the front does not know is the BentoML service's, and is counted apart."""
    response = await client.get("/docs.json")
    assert (response.status_code, response.text) == (202, "behind")
    assert behind.paths == ["/docs.json"]
    assert front.metrics.requests["service"][1] == 1


async def test_before_the_model_is_there_everything_is_a_503(empty_front: Front) -> None:
    """A starting pod is alive, not ready, and tells clients to come again on a new connection."""
    transport = httpx.ASGITransport(empty_front)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        assert (await client.get("/v2/health/live")).status_code == 200
        for path in ("/v2/health/ready", "/marquee/probe", "/anything"):
            response = await client.get(path)
            problem(response, 503, "starting")
            assert int(response.headers["retry-after"]) > 0
            assert response.headers["connection"] == "close"
        problem(await predict(client, VALID), 503, "starting")


async def test_a_draining_front_answers_and_asks_to_leave(front: Front, client: httpx.AsyncClient) -> None:
    """While draining only readiness fails; predictions are made, and every connection is closed."""
    front.drain()
    problem(await client.get("/v2/health/ready"), 503, "draining")
    assert (await client.get("/v2/health/live")).status_code == 200
    for response in (await predict(client, VALID), await client.get("/behind")):
        assert response.status_code in (200, 202)
        assert response.headers.get_list("connection") == ["close"]
    assert not front.metrics.ready


async def test_an_overloaded_model_is_a_503(client: httpx.AsyncClient, predictor: Predictor) -> None:
    """When too many calls wait for a slow model, the next is told to retry, on the same connection."""
    predictor._rows_in_loop = 0
    predictor._waiting = MAX_WAITING
    response = await predict(client, VALID)
    problem(response, 503, "overloaded")
    assert "retry-after" in response.headers
    assert "connection" not in response.headers


async def test_a_model_that_raises_is_a_500_without_its_message(
    client: httpx.AsyncClient,
    predictor: Predictor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A model's exception may hold inputs: neither the answer nor the log repeats it."""

    def broken(_: object) -> Any:
        raise ValueError("secret 4711")

    monkeypatch.setattr(predictor._runtime, "predict", broken)
    response = await predict(client, VALID)
    problem(response, 500, "internal")
    assert "4711" not in response.text + caplog.text
    assert "ValueError at" in caplog.text


async def test_requests_are_counted_and_logged_without_inputs(
    client: httpx.AsyncClient, front: Front, log: StringIO
) -> None:
    """Counters and log lines say what happened and never what was asked."""
    response = await predict(client, VALID, unit="customer-7")
    await predict(client, VALID | {"channel": "radio"})
    await client.get("/v2/health/ready")
    assert front.metrics.requests["predict"] == [0, 1, 0, 1, 0]
    assert front.metrics.validation_errors["category"] == 1
    assert front.metrics.predictions == 1
    assert sum(front.metrics.timings["predict"].counts) == 2
    lines = [orjson.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["endpoint"], line["status"]) for line in lines] == [("predict", 200), ("predict", 422)]
    assert lines[0]["predictionId"] == response.json()["predictionId"]
    assert not any(word in log.getvalue() for word in ("customer-7", "radio", "40.5", "Berlin"))
