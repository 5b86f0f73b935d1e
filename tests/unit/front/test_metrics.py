"""Counters, their Prometheus page, the listener that serves it, and the log."""

from __future__ import annotations

import asyncio
import logging
import socket
from io import StringIO

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bentos.front.exposition import exposing
from bentos.front.logs import RequestLog, configure
from bentos.front.metrics import BUCKETS_SECONDS, Metrics, MetricsPage
from bentos.front.schema import FieldError

LABELS = {"model": "fixture", "revision": "fixture-1", "namespace": "ns"}


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Samples of one name by their labels, without those that every sample has."""
    page = MetricsPage(metrics, **LABELS)
    page.describe_model(digest="sha256:1", flavour="onnx")
    return {
        tuple(sorted(sample.labels.items() - LABELS.items())): sample.value
        for family in text_string_to_metric_families(page.render().decode())
        for sample in family.samples
        if sample.name == name and (LABELS.items() <= sample.labels.items() or name.startswith("process"))
    }


def test_requests_are_counted_by_endpoint_and_status_class() -> None:
    """Each answer counts once, under its endpoint."""
    metrics = Metrics()
    for status in (200, 200, 422, 503):
        metrics.observe("predict", status, 1)
    counted = samples(metrics, "marquee_predictor_requests_total")
    assert counted[("endpoint", "predict"), ("status", "2xx")] == 2
    assert counted[("endpoint", "predict"), ("status", "4xx")] == 1
    assert counted[("endpoint", "predict"), ("status", "5xx")] == 1
    assert counted[("endpoint", "infer"), ("status", "2xx")] == 0


@pytest.mark.parametrize("index", range(len(BUCKETS_SECONDS)))
def test_latencies_fall_into_their_bucket(index: int) -> None:
    """A bucket holds what took at most its bound, and everything faster."""
    metrics = Metrics()
    bound = BUCKETS_SECONDS[index]
    metrics.observe("predict", 200, round(bound * 1e9))
    metrics.observe("predict", 200, round(bound * 1e9) + 1)
    buckets = samples(metrics, "marquee_predictor_request_duration_seconds_bucket")
    by_bound = {float(dict(labels)["le"]): value for labels, value in buckets.items()}
    assert by_bound[bound] == 1
    assert by_bound[float("inf")] == 2
    assert list(by_bound.values()) == sorted(by_bound.values())
    total = samples(metrics, "marquee_predictor_request_duration_seconds_sum")
    assert total[(("endpoint", "predict"),)] == pytest.approx(2 * bound, rel=1e-4)


def test_errors_gauges_and_the_model_are_on_the_page() -> None:
    """Error kinds, rows, requests in flight, readiness, the model and the process all have a sample."""
    metrics = Metrics()
    metrics.count_errors([FieldError("/a", "x", "range"), FieldError("/b", "x", "range")])
    metrics.ignore_header("marquee-cohort", "invalid")
    ignored = samples(metrics, "marquee_predictor_ignored_headers_total")
    assert ignored[("header", "marquee-cohort"), ("reason", "invalid")] == 1
    assert ignored[("header", "marquee-bucket"), ("reason", "contradicts-unit")] == 0
    metrics.predictions, metrics.in_flight, metrics.ready = 7, 3, True
    assert samples(metrics, "marquee_predictor_validation_errors_total")[(("kind", "range"),)] == 2
    assert samples(metrics, "marquee_predictor_predictions_total") == {(): 7}
    assert samples(metrics, "marquee_predictor_in_flight") == {(): 3}
    assert samples(metrics, "marquee_predictor_ready") == {(): 1}
    model = samples(metrics, "marquee_predictor_model_info")
    assert model == {(("artifact_digest", "sha256:1"), ("flavour", "onnx")): 1}
    assert samples(metrics, "process_resident_memory_bytes")[()] > 1e6


async def page() -> bytes:
    return b"page"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", b"200 OK"),
        (b"GET /metrics?x=1 HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"nonsense\r\n\r\n", b"404 Not Found"),
    ],
)
async def test_the_listener_answers_scrapes_alone(request_: bytes, status: bytes) -> None:
    """One path, one method, one answer, then the connection ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with exposing(page, listener):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(request_)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.endswith(b"page") == (status == b"200 OK")


async def test_the_listener_survives_bad_clients() -> None:
    """A head without end or a client that leaves does not keep the next scrape from being answered."""
    listener = socket.create_server(("127.0.0.1", 0))
    async with exposing(page, listener):
        for head in (b"GET /metrics", b"x" * 40_000):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(head)
            writer.close()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"page")
        writer.close()


def test_errors_are_logged_up_to_a_rate() -> None:
    """A storm of 503s writes ten lines a second, whatever the sample rate of the rest."""
    log = RequestLog(0.0, StringIO())
    wanted = [log.wants(503) for _ in range(200)]
    assert 10 <= sum(wanted) <= 20  # the clock may tick on the way
    assert not any(log.wants(status) for status in (200, 422) for _ in range(100))
    assert all(RequestLog(1.0, StringIO()).wants(200) for _ in range(100))


def test_records_become_json_lines() -> None:
    """What libraries log comes out as one JSON object a line, with its traceback inside."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = StringIO()
    try:
        configure(stream)
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("some.library").exception("it is %s", "bad")
        logging.getLogger("uvicorn.error").info("chatter")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    (line,) = [orjson.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["level"], line["logger"], line["message"]) == ("error", "some.library", "it is bad")
    assert "ValueError: broken" in line["exception"]
