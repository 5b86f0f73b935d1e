"""Questions for explanations over HTTP: answers, refusals, and what they do not count as."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from io import StringIO
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from bentos.front.app import Front
from bentos.front.endpoints import Endpoints
from bentos.front.explaining import beside
from bentos.front.explaining.beside import Explaining, TooSlowError
from bentos.front.explaining.endpoints import ExplainEndpoints
from bentos.front.explaining.limits import MAX_ROWS_EXPLAINED
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import OverloadedError, Predictor, load_predictor
from bentos.front.privacy.consent import BelievedPurposes
from bentos.front.privacy.guarding import Guard
from bentos.front.settings import Settings
from marquee.contract.card import PublicManifest
from marquee.contract.manifest import PythonRuntime
from marquee.contract.privacy import HEADER_PURPOSES, PrivacySettings
from tests.unit.front.artifacts import linear_graph
from tests.unit.front.conftest import LEAD, LIMIT, SCORE, VALID, Behind

PROFILE: dict[str, Any] = {
    "rows": 100,
    "features": {
        "age": {"kind": "number", "edges": [20.0, 40.0], "counts": [0, 100, 0], "missing": 0},
        "visits": {"kind": "number", "edges": [0.0, 4.0], "counts": [0, 100, 0], "missing": 0},
        "channel": {"kind": "category", "counts": {"mail": 50, "social": 50}, "other": 0, "missing": 0},
        "city": {"kind": "category", "counts": {}, "other": 0, "missing": 0},
    },
}
BASE = 30 + 10 * 2 + 10 + 100 * 1 + 1000 * 1
"""Of usual rows: income has no profile, and city's has counted nothing, so the example's values stand for them."""
GRAPH = linear_graph([1.0, 10.0, 1.0, 100.0, 1000.0])


def matrix(rows: list[list[float]]) -> dict[str, Any]:
    """The body of infer, in one tensor."""
    return {"inputs": [{"name": "inputs", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": rows}]}


def profiled(document: dict[str, Any]) -> None:
    document["profile"] = PROFILE | {"score": None}


@pytest.fixture
def predictor(settings: Callable[..., Settings]) -> Predictor:
    return load_predictor(settings(inputs=LEAD, example=VALID, files={"model.onnx": GRAPH}, change=profiled))


def explained(
    front: Front,
    predictor: Predictor,
    behind: Behind,
    explaining: Explaining | None = None,
    guard: Guard | None = None,
) -> Explaining:
    """Serve it, explanations on."""
    explaining = explaining or Explaining(predictor)
    front.serve(
        Endpoints(
            predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=front.metrics, explains=True
        ),
        behind,
        ExplainEndpoints(
            predictor, explaining, model="fixture", revision="fixture-1", metrics=front.metrics, guard=guard
        ),
    )
    return explaining


@pytest.fixture
def explaining(empty_front: Front, predictor: Predictor, behind: Behind) -> Explaining:
    return explained(empty_front, predictor, behind)


@pytest_asyncio.fixture
async def asker(empty_front: Front, explaining: Explaining) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001 - serves
    transport = httpx.ASGITransport(empty_front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        yield client


async def test_a_row_is_explained_by_names(asker: httpx.AsyncClient, predictor: Predictor) -> None:
    """Attributions are the closed form of a linear model; the largest are the reasons, as many as asked for."""
    response = await asker.post("/explain", json={"inputs": VALID, "unit": "anna", "reasons": 1})
    assert response.status_code == 200
    body = response.json()
    assert body["attributions"] == pytest.approx(
        {"age": 10.5, "visits": 10.0, "income": 0.0, "channel": 0.0, "city": 0.0}, abs=1e-3
    )
    assert body["base"] == pytest.approx(BASE)
    assert body["value"] == pytest.approx(SCORE)
    assert body["reasons"] == [{"input": "age", "attribution": pytest.approx(10.5, abs=1e-3)}]
    assert (body["output"], body["method"], body["background"]) == ("score", "shapley-exact", 64)
    assert (body["model"], body["revision"], body["digest"]) == ("fixture", "fixture-1", predictor.digest)
    assert "marquee-prediction-id" not in response.headers


@pytest.mark.parametrize("path", ["/v2/models/fixture/explain", "/v2/models/fixture/versions/fixture-1/explain"])
async def test_rows_are_explained_as_tensors(asker: httpx.AsyncClient, path: str) -> None:
    """The body of infer; one explanation a row, each of which adds up."""
    request = matrix([[20.0, 0, 5.0, 0, 0], [40.5, 3, 10.0, 1, 1]]) | {"id": "7", "outputs": [{"name": "score"}]}
    body = (await asker.post(path, json=request)).json()
    assert (body["id"], body["model_name"], body["model_version"]) == ("7", "fixture", "fixture-1")
    assert [one["value"] for one in body["explanations"]] == [25.0, SCORE]
    for one in body["explanations"]:
        assert one["base"] + sum(one["attributions"].values()) == pytest.approx(one["value"])


async def test_answers_are_as_documented(asker: httpx.AsyncClient) -> None:
    """By the OpenAPI document, which has explanations where they are switched on."""
    document = (await asker.get("/openapi.json")).json()
    rows = matrix([[20.0, 0, 5.0, 0, 0]])
    for path, body in (("/explain", {"inputs": VALID}), ("/v2/models/fixture/explain", rows)):
        operation = document["paths"][path]["post"]
        for schema, instance in (
            (operation["requestBody"], body),
            (operation["responses"]["200"], (await asker.post(path, json=body)).json()),
        ):
            wanted = schema["content"]["application/json"]["schema"] | {"components": document["components"]}
            Draft202012Validator(wanted).validate(instance)


async def test_the_manifest_is_told_without_rows_or_counts(client: httpx.AsyncClient, predictor: Predictor) -> None:
    """Whether explanations are on or not; neither the example nor the profile is in it."""
    body = (await client.get("/marquee/manifest")).json()
    assert PublicManifest.model_validate(body).digest == predictor.digest
    assert {"example", "profile", "files"}.isdisjoint(body)
    assert [one["name"] for one in body["inputs"]] == ["age", "visits", "income", "channel", "city"]


async def test_the_same_row_has_the_same_explanation_as_before(asker: httpx.AsyncClient) -> None:
    """Reasons that are kept can be had again."""
    first, second = [(await asker.post("/explain", json={"inputs": VALID})).content for _ in range(2)]
    assert first == second


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("/explain", {}, "/inputs"),
    ("/explain", {"inputs": VALID | {"age": 5}}, "/inputs/age"),
    ("/explain", {"inputs": VALID, "output": "price"}, "/output"),
    ("/explain", {"inputs": VALID, "reasons": -1}, "/reasons"),
    ("/explain", {"inputs": VALID, "unit": ""}, "/unit"),
    ("/explain", {"inputs": VALID, "method": "lime"}, "/method"),
    ("/v2/models/fixture/explain", matrix([[1.0]]), "/inputs/0/shape"),
    ("/v2/models/fixture/explain", matrix([[20.0, 0, 5.0, 0, 0]] * (MAX_ROWS_EXPLAINED + 1)), "/inputs"),
    ("/v2/models/fixture/explain", matrix([[20.0, 0, 5.0, 0, 0]]) | {"outputs": [{"name": "x"}]}, "/outputs/0/name"),
    ("/v2/models/fixture/explain", matrix([[20.0, 0, 5.0, 0, 0]]) | {"parameters": {"reasons": True}},
     "/parameters/reasons"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "pointer"), REFUSED)
async def test_what_cannot_be_explained_is_refused_by_its_place(
    asker: httpx.AsyncClient, path: str, body: dict[str, Any], pointer: str
) -> None:
    """As predictions are."""
    response = await asker.post(path, json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer


async def test_without_the_switch_the_answer_says_how_to_set_it(client: httpx.AsyncClient) -> None:
    """403, whatever was asked; predictions are answered."""
    for path in ("/explain", "/v2/models/fixture/explain"):
        response = await client.post(path, content=b"no json")
        assert response.status_code == 403
        assert response.json()["type"] == "urn:marquee:problem:explanations-off"
        assert "spec.governance.explanations" in response.json()["detail"]
    assert (await client.post("/predict", json={"inputs": VALID})).status_code == 200


@pytest.mark.parametrize("path", ["/explain", "/v2/models/fixture/explain"])
async def test_nothing_is_explained_about_whom_the_model_may_not_be_asked(
    path: str, predictor: Predictor, behind: Behind, log: StringIO
) -> None:
    """403 without the purposes that the spec asks for; with them there is an answer."""
    guard = Guard(PrivacySettings(purposes=("profiling",)), consent=BelievedPurposes(("profiling",)))
    front = Front(
        namespace="ns",
        model="fixture",
        revision="fixture-1",
        max_request_bytes=LIMIT,
        metrics=Metrics(),
        request_log=RequestLog(1.0, log),
        asks_consent=True,
    )
    explained(front, predictor, behind, guard=guard)
    body = {"inputs": VALID, "unit": "anna"} if path == "/explain" else matrix([[20.0, 0, 5.0, 0, 0]])
    transport = httpx.ASGITransport(front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        refused = await client.post(path, json=body)
        given = await client.post(path, json=body, headers={HEADER_PURPOSES: "profiling"})
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:marquee:problem:consent-missing"
    assert given.status_code == 200


async def test_explanations_are_no_predictions(asker: httpx.AsyncClient, empty_front: Front) -> None:
    """They are counted by themselves."""
    await asker.post("/explain", json={"inputs": VALID})
    metrics = empty_front.metrics
    assert metrics.predictions == 0
    assert metrics.requests["explain"][1] == 1
    assert sum(metrics.timings["explain"].counts) == 1
    assert metrics.requests["predict"] == [0] * 5


async def test_a_deadline_ends_an_explanation(asker: httpx.AsyncClient, explaining: Explaining) -> None:
    """504, when it is over on the way; the model is asked no further."""
    seen = 0

    def slow() -> bool:
        nonlocal seen
        seen += 1
        time.sleep(0.5)
        return False

    explaining._busy = slow
    response = await asker.post("/explain", json={"inputs": VALID}, headers={"marquee-deadline-ms": "400"})
    assert response.status_code == 504
    assert response.json()["type"] == "urn:marquee:problem:deadline-exceeded"
    assert seen == 1


async def test_who_would_wait_too_long_is_turned_away(predictor: Predictor, empty_front: Front, behind: Behind) -> None:
    """One is explained, as many wait as may, and the others get 503 with Retry-After."""
    gone = threading.Event()
    explained(empty_front, predictor, behind, Explaining(predictor, wait_seconds=0.15, busy=lambda: not gone.wait(60)))
    transport = httpx.ASGITransport(empty_front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        asked = [asyncio.create_task(client.post("/explain", json={"inputs": VALID})) for _ in range(4)]
        while sum(task.done() for task in asked) < 2:
            await asyncio.sleep(0.005)
        gone.set()
        answers = [await task for task in asked]
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 503, 503]
    turned_away = next(answer for answer in answers if answer.status_code == 503)
    assert int(turned_away.headers["retry-after"]) >= 1
    assert empty_front.metrics.shed["model"] == 2


async def test_predictions_come_between(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """While predictions wait, a piece of an explanation waits too; it goes on when they have gone."""
    monkeypatch.setattr(beside, "_GIVES_WAY_SECONDS", 60)
    looks = iter([True, True, True])
    explaining = Explaining(predictor, busy=lambda: next(looks, False))
    (found,) = await explaining.explain(predictor.example)
    assert next(looks, None) is None
    assert found.value == pytest.approx(SCORE)
    assert explaining.rows == 1
    assert explaining.seconds > 0


async def test_under_a_load_that_never_ends_explanations_still_end(predictor: Predictor) -> None:
    """A piece waits for a while only."""
    (found,) = await Explaining(predictor, busy=lambda: True).explain(predictor.example)
    assert found.value == pytest.approx(SCORE)


SOURCE = b"""
import threading

import numpy as np


class Model:
    threads = set()

    def __init__(self, folder):
        pass

    def predict(self, rows):
        self.threads.add(threading.get_ident())
        score = rows[:, 0] * 2 + rows[:, 1]
        return {"score": np.where(rows[:, 0] == 3, np.nan, score), "other": -score}
"""


def python(settings: Callable[..., Settings], **more: Any) -> Predictor:
    return load_predictor(
        settings(
            runtime=PythonRuntime(entrypoint="model:Model"),
            files={"model.py": SOURCE},
            outputs=("score", "other"),
            **more,
        )
    )


def numbers_profiled(document: dict[str, Any]) -> None:
    bins = {"kind": "number", "edges": [0.0, 1.0], "counts": [0, 9, 0], "missing": 0}
    document["profile"] = {"rows": 9, "features": {"f0": bins, "f1": bins}, "score": None}


@pytest.fixture(autouse=True)
def modules() -> Any:
    import sys

    yield
    sys.modules.pop("model", None)


async def test_a_class_is_asked_where_predictions_ask_it(settings: Callable[..., Settings]) -> None:
    """It is called from one thread at a time, so an explanation asks in its turn; another output may be named."""
    predictor = python(settings, change=numbers_profiled)
    (found,) = await Explaining(predictor).explain(np.array([[2.0, 5.0]]), output="other")
    assert found.attributions == {"f0": pytest.approx(-3.0), "f1": pytest.approx(-4.5)}
    assert found.output == "other"
    assert len(sys_modules_threads()) == 1


async def test_a_slow_class_is_asked_in_its_thread(settings: Callable[..., Settings]) -> None:
    """Where its predictions are made, one after the other."""
    slow = SOURCE.replace(b"score = rows", b"__import__('time').sleep(0.002); score = rows")
    predictor = load_predictor(
        settings(
            runtime=PythonRuntime(entrypoint="model:Model"),
            files={"model.py": slow},
            outputs=("score", "other"),
            change=numbers_profiled,
        )
    )
    sys_modules_threads().clear()
    asked = Explaining(predictor).explain(np.array([[2.0, 5.0]]))
    (found,), (score, _) = await asyncio.gather(asked, predictor.predict(np.array([[2.0, 5.0]])))
    assert found.value == score[0] == 9.0
    assert found.attributions == {"f0": pytest.approx(3.0), "f1": pytest.approx(4.5)}
    assert len(sys_modules_threads()) == 1


def sys_modules_threads() -> set[int]:
    import sys

    threads: set[int] = sys.modules["model"].Model.threads
    return threads


async def test_a_model_that_gives_nan_on_the_way_explains_nothing(
    settings: Callable[..., Settings], empty_front: Front, behind: Behind
) -> None:
    """500, saying where; never a figure made of NaN."""
    predictor = python(settings, change=numbers_profiled)
    explained(empty_front, predictor, behind)
    transport = httpx.ASGITransport(empty_front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        response = await client.post("/explain", json={"inputs": {"f0": 3.0, "f1": 5.0}})
    assert response.status_code == 500
    assert response.json()["type"] == "urn:marquee:problem:model-output-invalid"
    assert "NaN" in response.json()["detail"]


async def test_reasons_can_be_had_without_http(predictor: Predictor) -> None:
    """For what keeps them with a decision; a refusal is an exception of the predictor's."""
    explaining = Explaining(predictor)
    (found,) = await explaining.explain(predictor.example)
    assert [one.input for one in found.reasons(3)] == ["age", "visits"]
    with pytest.raises(TooSlowError):
        await explaining.explain(predictor.example, deadline=time.perf_counter_ns() - 1)
    explaining._waiting = 10_000
    with pytest.raises(OverloadedError):
        await explaining.explain(predictor.example)
