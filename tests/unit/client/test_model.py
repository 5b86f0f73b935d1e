"""Predictions, from a real front and from servers that misbehave."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from marquee.client import Answer, InvalidRequestError, ModelClient, PredictionFailedError, predictions, read_prediction
from marquee.client.predictions import prediction_body
from marquee.contract import pod
from tests.support.operator import free_port
from tests.unit.client.servers import Reply, Scripted
from tests.unit.front.conftest import SCORE, VALID

GOOD = {"outputs": {"score": 0.5}, "model": "lead", "revision": "lead-v2", "predictionId": "in-the-body"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_an_input_that_is_not_finite_is_named(value: float) -> None:
    """The most frequent mistake: a missing value of pandas."""
    with pytest.raises(InvalidRequestError, match=r"^inputs\.income: is .*send None for a missing value"):
        prediction_body({"age": 40, "income": value})


@pytest.mark.parametrize("value", [np.float32("nan"), object(), b"bytes", {1, 2}, [math.nan]])
def test_an_input_that_json_does_not_have(value: Any) -> None:
    """Nothing is sent that the front would refuse as a whole."""
    with pytest.raises(InvalidRequestError, match=r"^inputs: cannot be written as JSON"):
        prediction_body({"income": value})


def test_inputs_of_numpy_are_numbers() -> None:
    """Rows of a data frame hold them."""
    body = prediction_body({"age": np.float32(0.5), "visits": np.int64(3), "city": np.str_("Köln"), "income": None})
    assert json.loads(body) == {"inputs": {"age": 0.5, "visits": 3, "city": "Köln", "income": None}}


def test_a_model_that_is_none_is_refused_before_anything_is_sent() -> None:
    """A wrong name would give wrong buckets without an error."""
    with pytest.raises(InvalidRequestError, match="'lead' is not namespace/name"):
        ModelClient("lead", "http://127.0.0.1")


def test_an_empty_unit_is_refused_before_anything_is_sent() -> None:
    """The server hears nothing."""
    with (
        Scripted(Reply(body=GOOD)) as scripted,
        ModelClient("crm/lead", scripted.url) as client,
        pytest.raises(InvalidRequestError, match="unit: is empty"),
    ):
        client.predict({"age": 1}, unit="")
    assert not scripted.seen


def test_a_front_refuses_an_input_with_its_field(front_url: str) -> None:
    """The front's words reach the caller."""
    why = "HTTP status 422: /inputs/age is too large"
    with ModelClient("ns/fixture", front_url) as client, pytest.raises(PredictionFailedError, match=why) as caught:
        client.predict({**VALID, "age": 400}, unit="user-1")
    assert (caught.value.status, caught.value.kind) == (422, "invalid-input")


@pytest.mark.parametrize(
    ("path", "why", "kind"),
    [("/v2/models/other", "status 404: nothing is served at", "not-found"), ("/elsewhere", "status 202: behind", "")],
)
def test_a_path_where_no_model_is(front_url: str, path: str, why: str, kind: str) -> None:
    """As a gateway without a route for it answers, and a service that is something else."""
    with ModelClient("ns/other", front_url + path) as client, pytest.raises(PredictionFailedError, match=why) as caught:
        client.predict(VALID, unit="user-1")
    assert caught.value.kind == kind


def test_a_front_predicts(front_url: str) -> None:
    """Twice over one client: the same answer, another id."""
    with ModelClient("ns/fixture", front_url) as client:
        first, second = client.predict(VALID, unit="user-1"), client.predict(VALID)
    (score,) = first.outputs.values()
    assert (score, first.model, first.revision) == (SCORE, "fixture", "fixture-1")
    assert second.outputs == first.outputs
    assert first.id
    assert first.id != second.id


def test_the_unit_stays_at_home() -> None:
    """Neither the path nor a header nor the body has it; the hash and the bucket travel."""
    with Scripted(Reply(body=GOOD)) as scripted, ModelClient("crm/lead", scripted.url) as client:
        client.predict({"age": 1}, unit="user-1")
        client.predict({"age": 1})
    known, unknown = scripted.seen
    assert (known.path, known.body) == ("/predict", b'{"inputs":{"age":1}}')
    assert known.headers["marquee-bucket"] == "505"
    assert known.headers["marquee-unit-hash"] == "7d8430b69864a191"
    assert "user-1" not in repr(known)
    assert known.headers.keys() - unknown.headers.keys() == {"marquee-bucket", "marquee-unit-hash"}


@pytest.mark.parametrize(
    ("headers", "expected"), [({}, "in-the-body"), ({"marquee-prediction-id": "in-the-header"}, "in-the-header")]
)
def test_the_prediction_id_is_found_in_either_place(headers: dict[str, str], expected: str) -> None:
    """A gateway may keep the header to itself."""
    assert read_prediction(Answer(200, headers, json.dumps(GOOD).encode())).id == expected
    assert predictions.HEADER_PREDICTION_ID == pod.HEADER_PREDICTION_ID


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(503, {"type": "urn:marquee:problem:overloaded", "detail": "retry"}, {"retry-after": "2"}), "503: retry"),
        (Reply(502, b"<html>bad gateway</html>"), "502: <html>bad gateway</html>"),
        (Reply(500, b""), "500: no explanation"),
        (Reply(301, b"", {"location": "http://elsewhere.invalid/"}), "301: no explanation"),
        (Reply(200, b"[]"), "the answer is no prediction: it has no '"),
        (Reply(200, {"predictionId": "x"}), "the answer is no prediction: it has no 'outputs'"),
        (Reply(200, GOOD, cut=True), "the answer was cut"),
        (Reply(200, GOOD, seconds=5), "timed out"),
    ],
    ids=["busy", "gateway", "silent", "redirect", "list", "part", "cut", "slow"],
)
def test_a_server_that_gives_no_prediction(reply: Reply, words: str) -> None:
    """It is asked once: somebody waits, and knows a default."""
    with (
        Scripted(reply) as scripted,
        ModelClient("crm/lead", scripted.url, timeout_seconds=0.2 if reply.seconds else 10) as client,
        pytest.raises(PredictionFailedError, match=re.escape(words)) as caught,
    ):
        client.predict({"age": 1}, unit="user-1")
    assert len(scripted.seen) == 1
    assert caught.value.retry_seconds == (2 if reply.status == 503 else None)


def test_a_gateway_that_is_down() -> None:
    """Status 0 says that nobody answered."""
    url = f"http://127.0.0.1:{free_port()}"
    why = r"^no prediction of crm/lead: .*refused"
    with ModelClient("crm/lead", url) as client, pytest.raises(PredictionFailedError, match=why) as caught:
        client.predict({"age": 1})
    assert caught.value.status == 0


def test_the_import_is_light() -> None:
    """Nothing outside of the standard library and nothing else of Marquee is loaded."""
    script = (
        "import sys; before = set(sys.modules); import marquee.client; new = set(sys.modules) - before;"
        "print(*sorted({n.partition('.')[0] for n in new} - set(sys.stdlib_module_names)),"
        " *sorted(n for n in new if n.startswith('marquee.') and not n.startswith('marquee.client')))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert loaded.stdout.split() == ["marquee"]
