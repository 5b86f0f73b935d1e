"""Fixtures of the front's tests: an artifact on disk, a front that serves it, and a client of that front."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bentos.front.app import Front
from bentos.front.asgi import Receive, Scope, Send
from bentos.front.endpoints import Endpoints
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.settings import Settings
from marquee.contract.manifest import CategoryField, InputField, NumberField
from tests.unit.front.artifacts import linear_graph, write_artifact

LIMIT = 4_096
LEAD: tuple[InputField, ...] = (
    NumberField(name="age", minimum=18, maximum=120),
    NumberField(name="visits", kind="integer", minimum=0),
    NumberField(name="income", nullable=True),
    CategoryField(name="channel", categories=("mail", "search", "social")),
    CategoryField(name="city", categories=("other", "Berlin"), other=0, nullable=True),
)
VALID: dict[str, Any] = {"age": 40.5, "visits": 3, "income": 10.0, "channel": "search", "city": "Berlin"}
SCORE = 40.5 + 10 * 3 + 10.0 + 100 * 1 + 1000 * 1


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a pod; the keyword arguments go to `write_artifact`."""

    def make(settings: dict[str, Any] | None = None, **artifact: Any) -> Settings:
        folder = tmp_path / "artifact"
        digest = write_artifact(folder, **artifact)
        return Settings(
            **{
                "model": "fixture",
                "namespace": "ns",
                "revision": "fixture-1",
                "artifact_uri": str(folder),
                "artifact_digest": digest,
                "cache_path": tmp_path / "cache",
                "max_request_bytes": LIMIT,
                **(settings or {}),
            }
        )

    return make


@pytest.fixture
def predictor(settings: Callable[..., Settings]) -> Predictor:
    """A scorer of leads: 1 * age + 10 * visits + 1 * income + 100 * channel + 1000 * city."""
    graph = linear_graph([1.0, 10.0, 1.0, 100.0, 1000.0])
    return load_predictor(settings(inputs=LEAD, example=VALID, files={"model.onnx": graph}))


class Behind:
    """An application behind the front that remembers which paths fell through to it."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer 202 to anything."""
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 202, "headers": [(b"connection", b"keep-alive")]})
        await send({"type": "http.response.body", "body": b"behind"})


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def log() -> StringIO:
    """What the front wrote to its request log."""
    return StringIO()


@pytest.fixture
def empty_front(log: StringIO) -> Front:
    """A front whose model is not there yet."""
    return Front(
        namespace="ns",
        model="fixture",
        revision="fixture-1",
        max_request_bytes=LIMIT,
        metrics=Metrics(),
        request_log=RequestLog(1.0, log),
    )


@pytest.fixture
def front(empty_front: Front, predictor: Predictor, behind: Behind) -> Front:
    """A front that serves the scorer of leads."""
    endpoints = Endpoints(predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=empty_front.metrics)
    empty_front.serve(endpoints, behind)
    return empty_front


@pytest_asyncio.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    """A client of ``front``, without sockets."""
    transport = httpx.ASGITransport(front, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
        yield client
