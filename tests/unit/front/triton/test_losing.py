"""A Triton that dies, hangs and comes back under a front with users."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from bentos.front.app import Front
from bentos.front.endpoints import Endpoints
from bentos.front.predictor import load_predictor
from bentos.front.server import _in_loop
from tests.support.triton import Triton
from tests.unit.front.artifacts import linear_graph, numbers
from tests.unit.front.conftest import Behind
from tests.unit.front.triton.conftest import Configure, close

TIMEOUT_SECONDS = 0.5
BODY = {"inputs": {"f0": 1.0, "f1": 2.0}}


@pytest.fixture
def server(tmp_path: Path) -> Triton:
    """A server of the test's own, which it may kill."""
    return Triton(tmp_path / "triton")


@pytest_asyncio.fixture
async def client(
    server: Triton, configure: Configure, empty_front: Front, behind: Behind
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a front that serves a graph in that server."""
    settings = {"timeout_milliseconds": int(TIMEOUT_SECONDS * 1_000)}
    graph = {"inputs": numbers(2), "files": {"model.onnx": linear_graph([2.0, 3.0])}}
    with server:
        predictor = await asyncio.to_thread(lambda: load_predictor(configure(server, settings, **graph)))
        endpoints = Endpoints(
            predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=empty_front.metrics
        )
        empty_front.serve(endpoints, behind)
        predictor.watch(_in_loop(empty_front.note_model))
        transport = httpx.ASGITransport(empty_front, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            yield client
        close(predictor)


async def predict(client: httpx.AsyncClient) -> tuple[httpx.Response, float]:
    """An answer, and how many seconds it took."""
    started = time.monotonic()
    response = await client.post("/predict", json=BODY)
    return response, time.monotonic() - started


async def until(client: httpx.AsyncClient, status: int, *, within: float) -> None:
    """Wait for readiness to be so."""
    deadline = time.monotonic() + within
    while (await client.get("/v2/health/ready")).status_code != status:
        assert time.monotonic() < deadline, f"readiness was not {status} within {within} s"
        await asyncio.sleep(0.05)


async def test_a_server_that_is_killed_under_load_costs_503_until_it_is_back(
    client: httpx.AsyncClient, server: Triton, empty_front: Front
) -> None:
    """Nobody hangs, nobody gets a wrong answer, and with the server the model comes back by itself."""
    stop = asyncio.Event()
    seen: list[tuple[httpx.Response, float]] = []

    async def user() -> None:
        while not stop.is_set():
            seen.append(await predict(client))
            await asyncio.sleep(0.01)

    users = [asyncio.create_task(user()) for _ in range(8)]
    await asyncio.sleep(0.5)
    server.kill()
    await until(client, 503, within=20)
    assert empty_front.metrics.ready is False
    await asyncio.to_thread(server.start)
    await until(client, 200, within=30)
    await asyncio.sleep(0.5)
    stop.set()
    await asyncio.gather(*users)
    statuses = Counter(response.status_code for response, _ in seen)
    assert set(statuses) == {200, 503}
    assert max(seconds for _, seconds in seen) < TIMEOUT_SECONDS + 10
    assert {response.json()["outputs"]["score"] for response, _ in seen if response.status_code == 200} == {8.0}
    refused = [response for response, _ in seen if response.status_code == 503]
    assert {response.json()["type"] for response in refused} == {"urn:marquee:problem:model-unavailable"}
    assert {response.headers["retry-after"] for response in refused} == {"1"}
    assert seen[-1][0].status_code == 200
    assert empty_front.metrics.ready is True


async def test_a_server_that_hangs_costs_the_time_a_prediction_may_take(
    client: httpx.AsyncClient, server: Triton
) -> None:
    """Each caller waits as long as the settings say; then the pod is not ready, answers at once, and recovers."""
    assert (await predict(client))[0].status_code == 200
    server.send(signal.SIGSTOP)
    try:
        response, seconds = await predict(client)
        assert response.status_code == 503
        assert "no prediction within 500 ms" in response.json()["detail"]
        assert TIMEOUT_SECONDS <= seconds < TIMEOUT_SECONDS + 10
        await until(client, 503, within=30)
        response, seconds = await predict(client)
        assert (response.status_code, seconds < TIMEOUT_SECONDS) == (503, True)
    finally:
        server.send(signal.SIGCONT)
    await until(client, 200, within=30)
    assert (await predict(client))[0].json()["outputs"]["score"] == 8.0
