"""The hot path over real sockets: bad and unusual HTTP first, then overload and deadlines, then the cache."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
import pytest_asyncio
import uvicorn

from bentos.front.admission import MAX_WAITING
from bentos.front.app import Front
from bentos.front.caching import PredictionCache
from bentos.front.endpoints import Endpoints
from bentos.front.predictor import Predictor
from bentos.front.protocol import MAX_BODY_BYTES
from bentos.front.reporting.counting import Counting
from bentos.front.reporting.statistics import Statistics
from bentos.front.server import _uvicorn_config
from bentos.front.stamping import Stamping
from marquee.contract.stamping import StampedStep, StampingReply
from tests.unit.front.conftest import SCORE, VALID, Behind

BODY = orjson.dumps({"inputs": VALID})
COHORT = b"marquee-cohort: lead-v2/3/canary\r\nmarquee-unit: customer-7\r\n"


class Reply(NamedTuple):
    """A whole answer as a client reads it."""

    status: int
    headers: dict[str, str]
    body: Any


def request(body: bytes = BODY, *, head: bytes = b"", path: bytes = b"/predict", method: bytes = b"POST") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"%b %b HTTP/1.1\r\nhost: pod\r\ncontent-type: application/json\r\n%b%b\r\n%b" % (
        method, path, length, head, body,
    )  # fmt: skip


class Connection:
    """A client that writes whatever it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, raw: bytes) -> Reply:
        """Send bytes, and read one answer."""
        self.writer.write(raw)
        return await self.read()

    async def read(self) -> Reply:
        """One answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        parsed = orjson.loads(body) if "json" in headers.get("content-type", "") else body
        return Reply(int(head[0].split()[1]), headers, parsed)

    async def is_closed(self) -> bool:
        """Whether the server ends the connection, having sent nothing more."""
        async with asyncio.timeout(10):
            return await self.reader.read(1) == b""


class Server:
    """A front on a port of this machine."""

    def __init__(self, front: Front, port: int) -> None:
        self.front, self.port = front, port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def listening(front: Front, *, keep_alive_seconds: float = 60) -> AsyncIterator[Server]:
    config = _uvicorn_config(front)
    config.timeout_keep_alive = keep_alive_seconds  # type: ignore[assignment]
    config.port = 0
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield Server(front, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        await serving


@pytest_asyncio.fixture
async def server(front: Front) -> AsyncIterator[Server]:
    async with listening(front) as server:
        yield server


@pytest_asyncio.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    async with server.connect() as connection:
        yield connection


def watch(predictor: Predictor, seconds: float = 0.0) -> list[int]:
    """Make the model slow; the list grows by one with each of its calls."""
    calls: list[int] = []
    run = predictor._runtime.predict

    def watched(rows: Any) -> Sequence[Any]:
        calls.append(len(rows))
        time.sleep(seconds)
        return run(rows)

    predictor._runtime.predict = watched  # type: ignore[method-assign]
    return calls


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: pod\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n{}..",
        b"POST /predict HTTP/1.1\r\nhost: pod\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: pod\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ],
)
async def test_what_is_no_http_is_a_400_and_the_end(connection: Connection, raw: bytes) -> None:
    """A request whose end is in doubt is never answered by the hot path: the next one would begin at the wrong byte."""
    assert (await connection.ask(raw)).status == 400
    assert await connection.is_closed()


async def test_a_plain_request_is_answered_and_the_connection_stays(server: Server, connection: Connection) -> None:
    """As by the ASGI application, with a date and a length."""
    for _ in range(3):
        reply = await connection.ask(request())
        assert (reply.status, reply.body["outputs"]) == (200, {"score": SCORE})
        assert reply.headers["marquee-prediction-id"] == reply.body["predictionId"]
        assert reply.headers.keys() == {"date", "content-type", "content-length", "marquee-prediction-id"}
    assert server.front.metrics.requests["predict"][1] == 3
    assert server.front.metrics.in_flight == 0


@pytest.mark.parametrize(
    ("body", "head", "status"),
    [
        (b"{", b"", 400),
        (b'{"inputs":{}}', b"", 422),
        (BODY, b"marquee-unit-hash: 12\r\n", 400),
        (BODY, b"marquee-deadline-ms: soon\r\n", 400),
        (BODY, b"content-encoding: gzip\r\n", 415),
    ],
)
async def test_a_refused_request_leaves_the_connection_in_order(
    connection: Connection, body: bytes, head: bytes, status: int
) -> None:
    """The next request on it is answered."""
    assert (await connection.ask(request(body, head=head))).status == status
    assert (await connection.ask(request())).status == 200


async def test_a_body_in_many_parts_is_joined(connection: Connection) -> None:
    """Also when head and body come in pieces."""
    raw = request()
    for part in (raw[:20], raw[20:-30], raw[-30:-1]):
        connection.writer.write(part)
        await asyncio.sleep(0.02)
    assert (await connection.ask(raw[-1:])).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /predict HTTP/1.1\r\nhost: pod\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(BODY), BODY),
        b"POST /predict?x=1 HTTP/1.1\r\nhost: pod\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY),
        b"POST /%%70redict HTTP/1.1\r\nhost: pod\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    ],
)
async def test_unusual_requests_go_the_long_way(connection: Connection, raw: bytes) -> None:
    """Chunks, queries and escapes are answered all the same."""
    assert (await connection.ask(raw)).body["outputs"] == {"score": SCORE}


async def test_other_methods_are_refused(connection: Connection) -> None:
    """405 with the method that is right."""
    reply = await connection.ask(request(b"", method=b"PUT"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_a_client_that_asks_before_it_sends_is_answered(connection: Connection) -> None:
    """Expect: 100-continue gets its 100, then its prediction."""
    raw = request(head=b"expect: 100-continue\r\n")
    assert (await connection.ask(raw[: -len(BODY)])).status == 100
    assert (await connection.ask(BODY)).status == 200


async def test_a_client_that_was_not_asked_for_its_body_is_sent_away(connection: Connection, server: Server) -> None:
    """The connection ends, since nobody could tell whether its next byte belongs to the body."""
    server.front.answering.waiting = lambda: MAX_WAITING
    reply = await connection.ask(request(head=b"expect: 100-continue\r\n")[: -len(BODY)])
    assert (reply.status, reply.headers["connection"]) == (503, "close")
    assert await connection.is_closed()


@pytest.mark.parametrize("raw", [request(head=b"connection: close\r\n"), request().replace(b"HTTP/1.1", b"HTTP/1.0")])
async def test_a_connection_for_one_request_ends_with_its_answer(connection: Connection, raw: bytes) -> None:
    """By the header, or by the older version."""
    assert (await connection.ask(raw)).status == 200
    assert await connection.is_closed()


async def test_requests_that_were_sent_in_one_go_are_answered_in_order(connection: Connection) -> None:
    """A plain one, others of the hot path behind it, and one of the long way."""
    ids = [b'{"inputs":{"age":%d,"visits":0,"income":0,"channel":"mail","city":"other"}}' % age for age in (20, 30, 40)]
    connection.writer.write(b"".join(map(request, ids)) + request(b"", method=b"GET", path=b"/v2"))
    replies = [await connection.read() for _ in range(4)]
    assert [reply.body["outputs"]["score"] for reply in replies[:3]] == [20, 30, 40]
    assert replies[3].body["name"] == "marquee"
    assert (await connection.ask(request())).status == 200


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(front: Front) -> None:
    """The timer counts from what came last; the one that it began with is not the one that matters."""
    async with listening(front, keep_alive_seconds=0.3) as server, server.connect() as connection:
        for _ in range(5):
            assert (await connection.ask(request())).status == 200
            await asyncio.sleep(0.1)
        began = time.monotonic()
        assert await connection.is_closed()
        assert time.monotonic() - began > 0.1


async def test_a_body_too_large_for_the_hot_path_goes_the_long_way(front: Front) -> None:
    """Uvicorn reads it as fast as it is wanted; the answer is the same."""
    front.max_request_bytes = 2 * MAX_BODY_BYTES
    async with listening(front) as server, server.connect() as connection:
        reply = await connection.ask(request(BODY + b" " * MAX_BODY_BYTES))
        assert reply.body["outputs"] == {"score": SCORE}
        assert (await connection.ask(request(b" " * (2 * MAX_BODY_BYTES + 1)))).status == 413


async def test_a_draining_pod_asks_to_leave(server: Server, connection: Connection) -> None:
    """It answers, and closes."""
    assert (await connection.ask(request())).status == 200
    server.front.drain()
    reply = await connection.ask(request())
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await connection.is_closed()


async def test_who_would_wait_for_too_long_is_told_when_to_come_back(
    server: Server, connection: Connection, predictor: Predictor
) -> None:
    """503 with Retry-After, without the model and on a connection that stays; counted, and not as a latency."""
    counting = Counting(Statistics(), lambda: None)
    server.front.answering._counting = counting
    calls = watch(predictor)
    queue = server.front.answering.waiting
    server.front.answering.waiting = lambda: MAX_WAITING
    reply = await connection.ask(request(b"what is not read need not be JSON", head=COHORT))
    assert (reply.status, reply.body["type"]) == (503, "urn:marquee:problem:overloaded")
    assert int(reply.headers["retry-after"]) >= 1
    assert "connection" not in reply.headers
    (tally,) = counting.take()
    assert (tally.requests, tally.errors, bytes(tally.units)) == (1, 1, b"")
    metrics = server.front.metrics
    assert (metrics.shed["queue"], metrics.requests["predict"][4], sum(metrics.timings["predict"].counts)) == (1, 1, 0)
    assert calls == []
    server.front.answering.waiting = queue
    assert (await connection.ask(request())).status == 200


async def test_the_long_way_turns_away_too(server: Server, connection: Connection) -> None:
    """A chunked request is not let in by the back door."""
    server.front.answering.waiting = lambda: MAX_WAITING
    chunked = b"POST /predict HTTP/1.1\r\nhost: pod\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert (await connection.ask(chunked)).status == 503
    assert (await connection.ask(request())).status == 503


async def test_bodies_on_their_way_have_a_bound(server: Server, connection: Connection) -> None:
    """Slow senders of large bodies cannot fill the memory."""
    server.front._arriving = 64 * 2**20
    chunked = b"POST /predict HTTP/1.1\r\nhost: pod\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    assert (await connection.ask(chunked)).status == 503


async def test_a_deadline_that_is_over_is_a_504_and_the_model_is_not_asked(
    server: Server, connection: Connection, predictor: Predictor
) -> None:
    """It waited behind a slow one; nothing was known of that when it came."""
    calls = watch(predictor, 0.05)
    async with server.connect() as other:
        other.writer.write(request())
        connection.writer.write(request(head=b"marquee-deadline-ms: 20\r\n" + COHORT))
        first, second = await other.read(), await connection.read()
    assert (first.status, second.status) == (200, 504)
    assert second.body["type"] == "urn:marquee:problem:deadline-exceeded"
    assert calls == [1]
    assert server.front.metrics.shed["deadline"] == 1


async def test_who_left_while_he_waited_is_not_answered_and_is_an_error_of_the_arm(
    server: Server, connection: Connection, predictor: Predictor
) -> None:
    """The model is asked for those who are still there."""
    counting = Counting(Statistics(), lambda: None)
    server.front.answering._counting = counting
    calls = watch(predictor, 0.02)
    async with server.connect() as leaving:
        for _ in range(3):
            async with server.connect() as other:
                other.writer.write(request())
        leaving.writer.write(request(head=COHORT))
        await leaving.writer.drain()
        leaving.writer.transport.abort()
    assert (await connection.ask(request())).status == 200
    gone = server.front.metrics.shed["gone"]
    assert len(calls) == 5 - gone
    assert server.front.metrics.in_flight == 0
    for tally in counting.take():
        assert (tally.requests, tally.errors + len(tally.units) // 8) == (1, 1)


async def test_a_slow_model_answers_from_its_thread(
    server: Server, connection: Connection, predictor: Predictor
) -> None:
    """The queue of its thread has a bound of its own, which is asked before a body is read."""
    predictor._rows_in_loop = 0
    assert (await connection.ask(request())).status == 200
    predictor._waiting = MAX_WAITING
    reply = await connection.ask(request(b"not read"))
    assert (reply.status, server.front.metrics.shed["model"]) == (503, 1)
    predictor._waiting = 0
    assert (await connection.ask(request(head=b"marquee-deadline-ms: 5000\r\n"))).status == 200


async def test_a_model_that_fails_is_a_500_and_the_connection_stays(
    connection: Connection, predictor: Predictor
) -> None:
    """In the loop and in its thread."""
    run = predictor._runtime.predict
    for rows_in_loop in (1, 0):
        predictor._rows_in_loop = rows_in_loop
        predictor._runtime.predict = lambda _: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        assert (await connection.ask(request())).status == 500
        predictor._runtime.predict = run  # type: ignore[method-assign]
        assert (await connection.ask(request())).status == 200


@pytest_asyncio.fixture
async def caching(
    empty_front: Front, predictor: Predictor, behind: Behind
) -> AsyncIterator[tuple[Server, PredictionCache]]:
    """A front with a cache."""
    cache = PredictionCache(ttl_seconds=60, max_entries=100)
    endpoints = Endpoints(
        predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=empty_front.metrics, cache=cache
    )
    empty_front.serve(endpoints, behind)
    empty_front.answering._counting = Counting(Statistics(), lambda: None)
    async with listening(empty_front) as server:
        yield server, cache


async def test_the_same_input_is_answered_once_by_the_model(
    caching: tuple[Server, PredictionCache], predictor: Predictor
) -> None:
    """The order of fields and the way to write a number make no other input; ids and counts are made for each."""
    server, cache = caching
    calls = watch(predictor)
    other = orjson.dumps({"unit": "customer-7", "inputs": dict(reversed(list(VALID.items()))) | {"visits": 3.0}})
    tensors = {"inputs": [{"name": "inputs", "shape": [1, 5], "datatype": "FP64", "data": [40.5, 3, 10, 1, 1]}]}
    infer = request(orjson.dumps(tensors), path=b"/v2/models/fixture/infer")
    async with server.connect() as connection:
        replies = [await connection.ask(raw) for raw in (request(), request(other), infer)]
    assert [reply.headers["cache-status"] for reply in replies] == ["marquee; fwd=miss", *["marquee; hit"] * 2]
    assert [reply.body["outputs"] for reply in replies[:2]] == [{"score": SCORE}] * 2
    assert replies[2].body["outputs"][0]["data"] == [SCORE]
    assert len({reply.headers["marquee-prediction-id"] for reply in replies}) == 3
    assert calls == [1]
    assert server.front.metrics.predictions == 3
    assert (cache.hits, cache.misses, len(cache)) == (2, 1, 1)


async def test_a_hit_is_an_exposure_like_any_other(
    caching: tuple[Server, PredictionCache], predictor: Predictor
) -> None:
    """Two units with the same input are two exposures; a holdout's request with it asks the model anew."""
    server, cache = caching
    calls = watch(predictor)
    units = b"marquee-cohort: lead-v2/3/canary\r\nmarquee-unit: customer-%d\r\n"
    async with server.connect() as connection:
        for head in (units % 1, units % 2, b"", b""):
            assert (await connection.ask(request(head=head))).status == 200
    counting: Any = server.front.answering._counting
    (tally,) = counting.take()
    assert (tally.requests, len(tally.units) // 8) == (2, 2)
    assert calls == [1, 1]
    assert (cache.hits, cache.misses) == (2, 2)


@pytest.mark.parametrize(
    ("control", "status", "entries"),
    [
        (b"no-cache", "marquee; fwd=request", 1),
        (b"no-store", "marquee; hit", 1),
        (b"max-age=0", "marquee; fwd=miss", 1),
    ],
)
async def test_what_a_request_may_ask_of_the_cache(
    caching: tuple[Server, PredictionCache], control: bytes, status: str, entries: int
) -> None:
    """A new answer by `no-cache` and `max-age=0`; `no-store` is about what is remembered."""
    server, cache = caching
    async with server.connect() as connection:
        await connection.ask(request())
        reply = await connection.ask(request(head=b"cache-control: %b\r\n" % control))
    assert (reply.headers["cache-status"], len(cache)) == (status, entries)


async def test_what_is_not_to_be_stored_is_not(caching: tuple[Server, PredictionCache]) -> None:
    """Nothing of it stays."""
    server, cache = caching
    async with server.connect() as connection:
        assert (await connection.ask(request(head=b"cache-control: no-store\r\n"))).status == 200
    assert len(cache) == 0


async def test_failures_and_batches_are_not_cached(
    caching: tuple[Server, PredictionCache], predictor: Predictor
) -> None:
    """A failure may be over the next time; a batch is rarely the same twice, and as large as it likes."""
    server, cache = caching
    tensor = {"name": "inputs", "shape": [2, 5], "datatype": "FP64", "data": [40.5, 3, 10, 1, 1] * 2}
    run = predictor._runtime.predict
    async with server.connect() as connection:
        infer = request(orjson.dumps({"inputs": [tensor]}), path=b"/v2/models/fixture/infer")
        reply = await connection.ask(infer)
        assert (reply.status, "cache-status" in reply.headers) == (200, False)
        predictor._runtime.predict = lambda rows: [np.full(len(rows), np.nan)]  # type: ignore[method-assign]
        assert (await connection.ask(request())).status == 500
        predictor._runtime.predict = run  # type: ignore[method-assign]
        assert (await connection.ask(request())).body["outputs"] == {"score": SCORE}
    assert len(cache) == 1


async def test_ten_thousand_inputs_at_once_are_answered_or_turned_away(caching: tuple[Server, PredictionCache]) -> None:
    """Nobody is left without an answer, the cache and the queue keep their bounds, and then all is as before."""
    server, cache = caching
    statuses: list[int] = []
    longest = 0

    async def client(number: int) -> None:
        nonlocal longest
        async with server.connect() as connection:
            for index in range(50):
                body = orjson.dumps({"inputs": VALID | {"income": number * 50 + index}})
                reply = await connection.ask(request(body))
                statuses.append(reply.status)
                assert reply.status == 200 or int(reply.headers["retry-after"]) >= 1
                longest = max(longest, server.front.answering.waiting())

    server.front.answering.admission._longest_wait = 5_000_000
    await asyncio.gather(*map(client, range(200)))
    assert len(statuses) == 10_000
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > 100
    assert longest <= MAX_WAITING
    assert len(cache) == 100
    assert server.front.metrics.in_flight == 0
    async with server.connect() as connection:
        assert (await connection.ask(request())).status == 200


async def test_a_pod_that_stamps_asks_some_clients_to_connect_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the hot path too; who is turned away keeps his connection."""
    stamping = Stamping("fixture-1")
    steps = (StampedStep(step=0, in_seconds=0.0),)
    stamping.hear(StampingReply(rollout="lead-v2", stable="fixture-0", canary="fixture-1", steps=steps))
    monkeypatch.setattr(stamping, "reconnects", lambda: True)
    answering = server.front.answering
    monkeypatch.setattr(answering, "_stamping", stamping)
    monkeypatch.setattr(answering._callers, "_stamping", stamping)
    queue = answering.waiting
    async with server.connect() as connection:
        answering.waiting = lambda: MAX_WAITING
        assert "connection" not in (await connection.ask(request())).headers
        answering.waiting = queue
        assert (await connection.ask(request())).headers["connection"] == "close"
        assert await connection.is_closed()
