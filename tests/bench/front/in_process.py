"""CPU of one request without sockets: ``python -m tests.bench.front.in_process bare|front|bentoml``.

Each of the three runs in a process of its own, called through ASGI, and prints microseconds of process time a
request: the median of some rounds.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal

from tests.bench.front.workload import BODY

Subject = Literal["bare", "front", "bentoml"]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

ROUNDS = 7
REQUESTS = {"bare": 4_000, "front": 4_000, "bentoml": 400}
HEADERS = [
    (b"host", b"127.0.0.1:8080"),
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
]


def measure(subject: Subject, environment: dict[str, str], *, core: int, rounds: int = ROUNDS) -> float:
    """Microseconds of CPU a request, measured in a new process on one core."""
    command = [sys.executable, "-m", "tests.bench.front.in_process", subject, str(rounds)]
    done = subprocess.run(
        ["taskset", "-c", str(core), *command],
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout.splitlines()[-1])


async def _microseconds(application: Application, requests: int, rounds: int) -> float:
    await _call(application, requests // 4)
    results = []
    for _ in range(rounds):
        start = time.process_time()
        await _call(application, requests)
        results.append((time.process_time() - start) / requests * 1e6)
    return statistics.median(results)


async def _call(application: Application, requests: int) -> None:
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    for _ in range(requests):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/predict",
            "raw_path": b"/predict",
            "root_path": "",
            "query_string": b"",
            "headers": HEADERS,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        await application(scope, receive, send)
    if statuses != {200}:
        raise RuntimeError(f"the application answered {statuses}")


def _subject(name: str) -> tuple[Application, AbstractAsyncContextManager[Any]]:
    if name == "bare":
        from tests.bench.front.bare import app

        return app, nullcontext()
    if name == "front":
        return _front(), nullcontext()
    from _bentoml_impl.loader import load

    application = load("tests.bench.front.plain_service:PlainModel", working_dir=str(Path.cwd())).to_asgi()
    return application, application.router.lifespan_context(application)


def _front() -> Application:
    from bentos.front.app import Front
    from bentos.front.endpoints import Endpoints
    from bentos.front.logs import RequestLog
    from bentos.front.metrics import Metrics
    from bentos.front.predictor import load_predictor
    from bentos.front.settings import Settings

    settings = Settings.from_environment(os.environ)
    metrics = Metrics()
    front = Front(
        model=settings.model,
        revision=settings.revision,
        max_request_bytes=settings.max_request_bytes,
        metrics=metrics,
        request_log=RequestLog(settings.log_sample_rate),
    )

    async def nothing_behind(*_: object) -> None:
        raise NotImplementedError

    predictor = load_predictor(settings)
    endpoints = Endpoints(predictor, model=settings.model, revision=settings.revision, metrics=metrics)
    front.serve(endpoints, nothing_behind)
    return front


async def _main(name: str, rounds: int) -> None:
    application, lifespan = _subject(name)
    async with lifespan:
        print(await _microseconds(application, REQUESTS[name], rounds))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
