"""Headers of units and cohorts over ASGI: what is refused, what is only counted, and what is reported of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from bentos.front.admission import MAX_WAITING
from bentos.front.app import Front
from bentos.front.endpoints import Endpoints
from bentos.front.ids import signed_ids
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import Predictor
from bentos.front.reporting.counting import Counting
from bentos.front.reporting.statistics import Statistics
from marquee.contract.assignment import bucket_header, unit_hash
from marquee.contract.cohort import Cohort
from marquee.contract.prediction import Issuer, Prediction, Verifier, derive_secret
from tests.unit.front.conftest import LIMIT, VALID, Behind

MODEL, MASTER = "ns/fixture", b"m" * 32
COHORT = "lead-v2/3/canary"
UNIT = unit_hash(MODEL, "customer-7")
TENSORS = {"inputs": [{"name": "inputs", "shape": [1, 5], "datatype": "FP64", "data": [40, 3, 10, 1, 1]}]}


@pytest.fixture
def counting() -> Counting:
    return Counting(Statistics(), lambda: None)


@pytest_asyncio.fixture
async def client(predictor: Predictor, behind: Behind, counting: Counting) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a front that signs and counts."""
    metrics = Metrics()
    front = Front(
        namespace="ns",
        model="fixture",
        revision="fixture-1",
        max_request_bytes=LIMIT,
        metrics=metrics,
        request_log=RequestLog(0.0, StringIO()),
        counting=counting,
    )
    issuer = Issuer(key_id=0, secret=derive_secret(MASTER, MODEL), model=MODEL, revision="fixture-1")
    endpoints = Endpoints(
        predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=metrics, new_id=signed_ids(issuer)
    )
    front.serve(endpoints, behind)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://pod") as client:
        yield client


async def predict(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **body: object) -> httpx.Response:
    return await client.post("/predict", json={"inputs": VALID, **body}, headers=headers or {})


def said(response: httpx.Response) -> Prediction:
    assert response.status_code == 200, response.text
    return Verifier({0: MASTER}.get).verify(response.headers["marquee-prediction-id"])


def taken(counting: Counting) -> dict[str, tuple[int, int, bytes]]:
    return {str(tally.cohort): (tally.requests, tally.errors, bytes(tally.units)) for tally in counting.take()}


@pytest.mark.parametrize(("header", "value"), [("marquee-unit", ""), ("marquee-unit-hash", "12")])
async def test_a_malformed_unit_is_a_400_that_names_its_header(
    client: httpx.AsyncClient, counting: Counting, header: str, value: str
) -> None:
    """The client learns what to change; the request counts in its cohort, and exposes nobody."""
    response = await predict(client, {header: value, "marquee-cohort": COHORT})
    assert response.status_code == 400
    assert response.json()["type"] == "urn:marquee:problem:invalid-header"
    assert header in response.json()["detail"]
    assert taken(counting) == {COHORT: (1, 0, b"")}


async def test_a_body_that_names_another_unit_than_the_headers_is_a_422(client: httpx.AsyncClient) -> None:
    """Nobody guesses whom the prediction is about."""
    for headers in ({"marquee-unit": "customer-8"}, {"marquee-unit-hash": "0" * 16}):
        response = await predict(client, headers, unit="customer-7")
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/unit"


@pytest.mark.parametrize("cohort", ["", "nonsense", "lead-v2/3/blue", "a/b/c/d", "x" * 2_000])
async def test_a_forged_cohort_breaks_no_prediction(client: httpx.AsyncClient, counting: Counting, cohort: str) -> None:
    """It is answered and signed without a cohort, and nothing is reported."""
    assert said(await predict(client, {"marquee-cohort": cohort, "marquee-unit": "customer-7"})).cohort is None
    assert taken(counting) == {}


async def test_a_contradicting_bucket_breaks_no_prediction(client: httpx.AsyncClient, counting: Counting) -> None:
    """The unit counts in the cohort that it really saw."""
    wrong = f"{(int(bucket_header(UNIT)) + 1) % 1_000:03d}"
    headers = {"marquee-cohort": COHORT, "marquee-bucket": wrong, "marquee-unit": "customer-7"}
    assert str(said(await predict(client, headers)).cohort) == COHORT
    assert taken(counting) == {COHORT: (1, 0, UNIT)}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"marquee-unit": "customer-7"}, {}),
        ({"marquee-unit-hash": UNIT.hex()}, {}),
        ({}, {"unit": "customer-7"}),
        ({"marquee-unit": "customer-7"}, {"unit": "customer-7"}),
    ],
)
async def test_a_unit_may_be_named_in_three_ways(
    client: httpx.AsyncClient, counting: Counting, headers: dict[str, str], body: dict[str, Any]
) -> None:
    """Id and exposure carry the same hash, and the second prediction is no second exposure."""
    for _ in range(2):
        prediction = said(await predict(client, {**headers, "marquee-cohort": COHORT}, **body))
        assert (prediction.unit, prediction.cohort) == (UNIT, Cohort.parse(COHORT))
    assert taken(counting) == {COHORT: (2, 0, UNIT)}


async def test_without_a_unit_the_request_is_one(client: httpx.AsyncClient, counting: Counting) -> None:
    """The random unit of the id is the one that is reported."""
    units = [said(await predict(client, {"marquee-cohort": COHORT})).unit for _ in range(3)]
    assert len(set(units)) == 3
    assert taken(counting) == {COHORT: (3, 0, b"".join(units))}


async def test_tensors_are_counted_as_one_request(client: httpx.AsyncClient, counting: Counting) -> None:
    """The other protocol has the same headers, and one id for all of its rows."""
    headers = {"marquee-cohort": COHORT, "marquee-unit": "customer-7"}
    response = await client.post("/v2/models/fixture/infer", json=TENSORS, headers=headers)
    assert said(response).unit == UNIT
    assert response.json()["parameters"]["prediction_id"] == response.headers["marquee-prediction-id"]
    assert taken(counting) == {COHORT: (1, 0, UNIT)}


async def test_without_counting_an_id_says_no_score(client: httpx.AsyncClient) -> None:
    """Nobody knows the bins."""
    assert said(await predict(client)).score_bin is None


async def test_failures_of_ours_are_errors_and_exposures(
    client: httpx.AsyncClient, counting: Counting, predictor: Predictor
) -> None:
    """An arm that fails cannot hide the units that it failed."""
    predictor._runtime.predict = lambda rows: [np.full(len(rows), np.nan)]  # type: ignore[method-assign]
    response = await predict(client, {"marquee-cohort": COHORT, "marquee-unit": "customer-7"})
    assert response.status_code == 500
    assert "marquee-prediction-id" not in response.headers
    assert taken(counting) == {COHORT: (1, 1, UNIT)}


async def test_who_is_turned_away_is_an_error_of_the_arm_and_no_exposure(
    client: httpx.AsyncClient, counting: Counting, predictor: Predictor
) -> None:
    """An overloaded arm cannot hide whom it harms; nobody saw its model, so nobody's outcome is credited to it."""
    headers = {"marquee-cohort": COHORT, "marquee-unit": "customer-7"}
    predictor._rows_in_loop, predictor._waiting = 0, MAX_WAITING
    assert (await predict(client, headers)).status_code == 503
    assert taken(counting) == {COHORT: (1, 1, b"")}
    predictor._waiting = 0
    assert (await predict(client, headers)).status_code == 200
    assert taken(counting) == {COHORT: (1, 0, UNIT)}


async def test_only_predictions_are_counted(client: httpx.AsyncClient, counting: Counting) -> None:
    """Probes, health, wrong methods and the service behind have no part in an experiment."""
    for path in ("/marquee/probe", "/v2/health/ready", "/v2/models/fixture", "/predict", "/behind"):
        await client.get(path, headers={"marquee-cohort": COHORT, "marquee-unit": ""})
    assert taken(counting) == {}
