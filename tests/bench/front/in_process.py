"""CPU of one request without sockets: ``python -m tests.bench.front.in_process bare|front|hit|reporting|bentoml``.

Each runs in a process of its own, called through ASGI, and prints microseconds of process time a request: the median
of some rounds. ``hit`` is the front with a cache that knows the answer. ``reporting`` is the front in a rollout: it
signs ids, each request has a unit and a cohort, and its reports wait for a ledger that is not there. Process time
counts the thread that packs and spools them. In a pod plain requests take less: they do not come through ASGI.
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

Subject = Literal["bare", "front", "hit", "reporting", "bentoml"]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

ROUNDS = 7
REQUESTS = {"bare": 4_000, "front": 4_000, "hit": 4_000, "reporting": 4_000, "bentoml": 400}
HEADERS = [
    (b"host", b"127.0.0.1:8080"),
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
]
COHORT = [(b"marquee-cohort", b"bench-rollout/1/canary"), (b"marquee-bucket", b"123")]


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


async def _microseconds(application: Application, requests: int, rounds: int, *, units: bool) -> float:
    await _call(application, requests // 4, units=units)
    results = []
    for _ in range(rounds):
        start = time.process_time()
        await _call(application, requests, units=units)
        results.append((time.process_time() - start) / requests * 1e6)
    return statistics.median(results)


async def _call(application: Application, requests: int, *, units: bool) -> None:
    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    for number in range(requests):
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
            "headers": [*HEADERS, *COHORT, (b"marquee-unit", b"customer-%d" % number)] if units else HEADERS,
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
    if name in ("front", "hit", "reporting"):
        return _front(cached=name == "hit")
    from _bentoml_impl.loader import load

    application = load("tests.bench.front.plain_service:PlainModel", working_dir=str(Path.cwd())).to_asgi()
    return application, application.router.lifespan_context(application)


def _front(*, cached: bool) -> tuple[Application, AbstractAsyncContextManager[Any]]:
    from bentos.front.app import Front
    from bentos.front.caching import PredictionCache
    from bentos.front.endpoints import Endpoints
    from bentos.front.ids import prediction_ids
    from bentos.front.logs import RequestLog
    from bentos.front.metrics import Metrics
    from bentos.front.predictor import load_predictor
    from bentos.front.reporting.making import reporter_of
    from bentos.front.settings import Settings

    settings = Settings.from_environment(os.environ)
    reporter = reporter_of(settings)
    metrics = Metrics()
    front = Front(
        namespace=settings.namespace,
        model=settings.model,
        revision=settings.revision,
        max_request_bytes=settings.max_request_bytes,
        metrics=metrics,
        request_log=RequestLog(settings.log_sample_rate),
        counting=reporter.counting if reporter else None,
    )

    async def nothing_behind(*_: object) -> None:
        raise NotImplementedError

    predictor = load_predictor(settings)
    endpoints = Endpoints(
        predictor,
        namespace=settings.namespace,
        model=settings.model,
        revision=settings.revision,
        metrics=metrics,
        new_id=prediction_ids(settings),
        cache=PredictionCache(ttl_seconds=3_600, max_entries=10_000) if cached else None,
    )
    front.serve(endpoints, nothing_behind)
    return front, reporter.running() if reporter else nullcontext()


async def _main(name: str, rounds: int) -> None:
    application, lifespan = _subject(name)
    async with lifespan:
        print(await _microseconds(application, REQUESTS[name], rounds, units=name == "reporting"))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
