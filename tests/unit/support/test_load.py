"""The load that end-to-end tests send counts every request, whatever comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.load import Load, LoadReport

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def served(handler: Handler, port: int) -> AsyncIterator[str]:
    """Where a server answers so."""
    app = web.Application()
    app.router.add_post("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


async def report_of(handler: Handler, unused_tcp_port: int) -> LoadReport:
    """Half a second of requests to a server that answers so."""
    async with served(handler, unused_tcp_port) as url:
        return await Load(url, {}, rate=40).run(limit_seconds=0.5)


async def test_answers_are_counted_by_revision(unused_tcp_port: int) -> None:
    """Each answer with 200 names the revision that gave it."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"revision": "v1"})

    report = await report_of(answer, unused_tcp_port)
    assert report.failures == []
    assert report.answered["v1"] == len(report.order) == report.total >= 10


async def test_a_request_has_its_headers_and_its_answer(unused_tcp_port: int) -> None:
    """Both are told by the request's number."""
    told: dict[int, str] = {}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"revision": "v1", "number": request.headers["number"]})

    async with served(answer, unused_tcp_port) as url:
        load = Load(
            url,
            {},
            rate=40,
            headers_of=lambda number: {"number": str(number)},
            on_answer=lambda number, reply: told.update({number: reply["number"]}),
        )
        report = await load.run(limit_seconds=0.3)
    assert told == {number: str(number) for number in range(report.total)}
    assert report.total >= 5


@pytest.mark.parametrize(("status", "text"), [(503, "upstream connect error"), (500, ""), (200, "no JSON")])
async def test_errors_that_are_no_json_are_failures(unused_tcp_port: int, status: int, text: str) -> None:
    """A gateway's own errors have a plain text or none: they count like any other."""

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    report = await report_of(fail, unused_tcp_port)
    assert not report.answered
    assert len(report.failures) >= 10
    assert all(text in line or "JSONDecodeError" in line for line in report.failures)


async def test_refused_connections_are_failures(unused_tcp_port: int) -> None:
    """Nobody listens: nothing is answered, and every request is accounted for."""
    report = await Load(f"http://127.0.0.1:{unused_tcp_port}/", {}, rate=40).run(limit_seconds=0.3)
    assert not report.answered
    assert report.total == len(report.failures) >= 5


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://10.0.0.1:80/"])
def test_load_goes_to_the_test_cluster_only(url: str) -> None:
    """An address elsewhere is refused before anything is sent."""
    with pytest.raises(ValueError, match="loopback or to the test cluster only"):
        Load(url, {}, rate=1)
