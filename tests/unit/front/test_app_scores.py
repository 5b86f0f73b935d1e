"""Ids name the bin of the score that was answered, where they stand for one row; and those answers are counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from io import StringIO
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bentos.front.app import Front
from bentos.front.caching import PredictionCache
from bentos.front.drift.binning import Bins
from bentos.front.drift.gathering import Gathering
from bentos.front.endpoints import Endpoints
from bentos.front.ids import PredictionIds, random_id, signed_ids
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import Predictor
from bentos.front.reporting.statistics import Statistics
from marquee.contract.manifest import ReferenceProfile, ScoreProfile
from marquee.contract.prediction import Issuer, Verifier, derive_secret
from tests.unit.front.conftest import LIMIT, VALID, Behind

MODEL, MASTER = "ns/fixture", b"m" * 32
ROW = [40, 3, 10, 1, 1]
Made = Callable[[PredictionIds], httpx.AsyncClient]


@pytest.fixture
def gathering(predictor: Predictor) -> Gathering:
    """Two bins; the fixture's answers lie in the upper one."""
    profile = ReferenceProfile(rows=2, features={}, score=ScoreProfile(edges=(-1e6,), counts=(1, 1)))
    manifest = predictor.manifest.model_copy(update={"profile": profile})
    return Gathering(Bins(manifest), predictor.schema, Statistics(), lambda: None)


@pytest_asyncio.fixture
async def made(predictor: Predictor, behind: Behind, gathering: Gathering) -> AsyncIterator[Made]:
    """Makes clients of a front that counts."""
    clients: list[httpx.AsyncClient] = []

    def make(new_id: PredictionIds) -> httpx.AsyncClient:
        metrics = Metrics()
        front = Front(
            namespace="ns",
            model="fixture",
            revision="fixture-1",
            max_request_bytes=LIMIT,
            metrics=metrics,
            request_log=RequestLog(0.0, StringIO()),
        )
        endpoints = Endpoints(
            predictor,
            namespace="ns",
            model="fixture",
            revision="fixture-1",
            metrics=metrics,
            new_id=new_id,
            cache=PredictionCache(ttl_seconds=60, max_entries=10),
            gathering=gathering,
        )
        front.serve(endpoints, behind)
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://pod"))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


def signed() -> PredictionIds:
    return signed_ids(Issuer(key_id=0, secret=derive_secret(MASTER, MODEL), model=MODEL, revision="fixture-1"))


def bin_of(response: httpx.Response) -> int | None:
    assert response.status_code == 200, response.text
    return Verifier({0: MASTER}.get).verify(response.headers["marquee-prediction-id"]).score_bin


def tensors(rows: int) -> dict[str, Any]:
    return {"inputs": [{"name": "inputs", "shape": [rows, 5], "datatype": "FP64", "data": ROW * rows}]}


async def test_fresh_and_cached_answers_name_their_bin(made: Made, gathering: Gathering) -> None:
    """A cached answer was scored too; one row of tensors is one row."""
    client = made(signed())
    answers = [await client.post("/predict", json={"inputs": VALID}) for _ in range(2)]
    answers.append(await client.post("/v2/models/fixture/infer", json=tensors(1)))
    assert [bin_of(answer) for answer in answers] == [1, 1, 1]
    assert answers[1].headers["cache-status"] == "marquee; hit"
    (sheaf,) = gathering.take()
    assert sheaf.traced == [1, 1, 1]


async def test_an_id_of_several_rows_names_none(made: Made, gathering: Gathering) -> None:
    """Their outcomes cannot be told apart, so none of them waits for one."""
    assert bin_of(await made(signed()).post("/v2/models/fixture/infer", json=tensors(3))) is None
    (sheaf,) = gathering.take()
    assert (sheaf.traced, len(sheaf.scores[0])) == ([], 3)


async def test_an_id_that_nobody_signed_waits_for_no_outcome(made: Made, gathering: Gathering) -> None:
    """None can be reported for it."""
    response = await made(random_id).post("/predict", json={"inputs": VALID})
    assert response.status_code == 200
    (sheaf,) = gathering.take()
    assert (sheaf.traced, len(sheaf.scores)) == ([], 1)
