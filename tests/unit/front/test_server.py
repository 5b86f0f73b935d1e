"""The predictor as a real process: start, failure, load, memory, and leaving without losing a request."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import uvloop

from bentos.front.__main__ import main
from bentos.front.failures import CannotServeError
from bentos.front.server import _DOORS, _doors, _listen
from marquee.contract.manifest import PythonRuntime
from marquee.contract.pod import EXIT_CODE_FAILURE, Failure, FailureReason
from tests.unit.front.artifacts import write_artifact
from tests.unit.front.pods import Client, Pod

INPUTS = {"f0": 1.0, "f1": 2.0}
SLOW = 99.0
MODEL = f"""
import time


class Model:
    def __init__(self, folder):
        pass

    def predict(self, rows):
        if rows[0, 0] == {SLOW}:
            time.sleep(0.8)
        return {{"score": rows.sum(axis=1)}}
"""


def python_artifact(folder: Path, source: str) -> str:
    runtime = PythonRuntime(entrypoint="model:Model")
    return write_artifact(folder, runtime=runtime, files={"model.py": source.encode()})


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A ready pod with an ONNX model."""
    folder = tmp_path_factory.mktemp("pod")
    digest = write_artifact(folder / "artifact")
    with Pod(folder, folder / "artifact", digest, log_sample_rate="0", explanations="true") as pod:
        yield pod.wait_until_ready()


def test_the_service_behind_is_reached(pod: Pod) -> None:
    """BentoML's own pages are served by the same process; its metrics page is switched off."""
    status, body = pod.get("/docs.json")
    assert status == 200
    assert b"generic_model" in body
    assert pod.get("/livez")[0] == 200
    assert pod.get("/metrics")[0] == 404


def test_metrics_have_a_port_of_their_own(pod: Pod) -> None:
    """The scrape page is on the metrics port, with the model's labels."""
    status, body = pod.get("/metrics", port=pod.metrics_port)
    assert status == 200
    assert b'marquee_predictor_ready{model="fixture",namespace="ns",revision="fixture-1"} 1.0' in body
    assert pod.get("/v2/health/ready", port=pod.metrics_port)[0] == 404


def test_predictions_are_explained_where_the_setting_says_so(pod: Pod) -> None:
    """2 * f0 + 3 * f1, and the example is usual; the metrics page counts it."""
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=30)
    body = orjson.dumps({"inputs": {"f0": 2.0, "f1": 3.0}})
    connection.request("POST", "/explain", body, {"content-type": "application/json"})
    found = orjson.loads(connection.getresponse().read())
    connection.close()
    assert (found["base"], found["value"], found["attributions"]) == (5.0, 13.0, {"f0": 2.0, "f1": 6.0})
    _, page = pod.get("/metrics", port=pod.metrics_port)
    labels = b'{model="fixture",namespace="ns",revision="fixture-1"}'
    assert b"marquee_predictor_explanations_total" + labels + b" 1.0" in page
    assert b"marquee_predictor_explanation_seconds_total" + labels in page


def test_a_crowd_that_connects_is_let_in_by_many_doors() -> None:
    """In one turn of the event loop as many connections are accepted as there are descriptors of the one queue."""
    crowd, accepted = 6 * _DOORS, list[int]()

    class Counted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted[-1] += 1
            transport.close()

    async def let_in(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        clients = [socket.create_connection(listener.getsockname()) for _ in range(crowd)]
        servers = [await loop.create_server(Counted, sock=door) for door in _doors(listener)]
        for _ in range(10 * crowd):
            accepted.append(0)
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        for client in clients:
            client.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(let_in(_listen("127.0.0.1:0", "listen")))
    assert sum(accepted) == crowd
    assert max(accepted) >= _DOORS


@pytest.mark.parametrize("declared", [True, False])
def test_fifty_megabytes_are_refused_without_being_held(pod: Pod, declared: bool) -> None:
    """A huge body gets a readable 413, with or without a content length, and costs no memory."""
    before = pod.rss_megabytes()
    connection = http.client.HTTPConnection("127.0.0.1", pod.port, timeout=30)
    headers = {"content-type": "application/json"}
    if declared:
        headers["content-length"] = str(50 * 2**20)
    chunks = (b" " * 2**20 for _ in range(50))
    connection.request("POST", "/predict", chunks, headers, encode_chunked=not declared)
    response = connection.getresponse()
    assert response.status == 413
    assert orjson.loads(response.read())["type"] == "urn:marquee:problem:body-too-large"
    connection.close()
    assert pod.rss_megabytes() - before < 5


def test_bytes_that_are_no_http_are_refused(pod: Pod) -> None:
    """Garbage on the socket is answered by the parser and does not disturb others."""
    with socket.create_connection(("127.0.0.1", pod.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    assert pod.get("/v2/health/ready")[0] == 200


def test_memory_stays_flat(pod: Pod) -> None:
    """Thousands of valid and refused requests leave no trace in memory."""
    client = Client(pod.port)

    def ask(times: int) -> None:
        for index in range(times):
            assert client.predict(INPUTS)[0] == 200
            if index % 10 == 0:
                assert client.predict({f"x{index}": 1.0})[0] == 422

    ask(500)
    before = pod.rss_megabytes()
    ask(2_500)
    client.close()
    assert pod.rss_megabytes() - before < 2


class Load:
    """Clients that predict as fast as they are answered, and remember what they saw."""

    def __init__(self, port: int, clients: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.answers: list[tuple[float, int, bool]] = []
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def start(self) -> None:
        """Let all clients begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        client = Client(self._port)
        while not self._stop.is_set():
            try:
                status, _, closes = client.predict(INPUTS)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                return
            with self._lock:
                self.answers.append((time.monotonic(), status, closes))
            time.sleep(0.002)
        client.close()


def test_a_pod_leaves_under_load_without_a_failed_request(tmp_path: Path) -> None:
    """After SIGTERM every request is answered: on old and new connections, short or long, until the end."""
    digest = python_artifact(tmp_path / "artifact", MODEL)
    with Pod(tmp_path, tmp_path / "artifact", digest, drain_seconds="1.5") as pod:
        pod.wait_until_ready()
        load = Load(pod.port, clients=8)
        load.start()
        time.sleep(0.4)
        idle = Client(pod.port)  # a connection that was idle when draining began
        idle.predict(INPUTS)
        pod.terminate()
        told = time.monotonic()
        time.sleep(0.3)
        assert pod.get("/v2/health/ready")[0] == 503
        status, _, closes = idle.predict(INPUTS)
        assert (status, closes) == (200, True)
        time.sleep(0.5)
        load.stop()
        slow = Client(pod.port).predict({"f0": SLOW, "f1": 0.0})  # still running when the time is over
        assert slow[:2] == (200, slow[1] | {"outputs": {"score": SLOW}})
        assert pod.exit_code(within=30) == 0
        assert time.monotonic() - told < 30
    assert load.failures == []
    assert {status for _, status, _ in load.answers} == {200}
    late = [closes for when, _, closes in load.answers if when > told + 0.2]
    assert len(late) > 50
    assert all(late)


def test_a_starting_pod_is_alive_and_can_be_told_to_leave(tmp_path: Path) -> None:
    """While the model loads the port answers, and SIGTERM ends the process at once."""
    source = "import time\n\n\nclass Model:\n    def __init__(self, folder):\n        time.sleep(60)\n"
    digest = python_artifact(tmp_path / "artifact", source)
    with Pod(tmp_path, tmp_path / "artifact", digest) as pod:
        assert pod.get("/v2/health/live")[0] == 200
        status, body = pod.get("/predict")
        assert status == 503
        assert orjson.loads(body)["type"] == "urn:marquee:problem:starting"
        pod.terminate()
        assert pod.exit_code(within=5) == 0


def test_a_pod_that_cannot_serve_says_why(tmp_path: Path) -> None:
    """The reason is in the termination message and in the log, and the exit code says that it is there."""
    write_artifact(tmp_path / "artifact")
    with Pod(tmp_path, tmp_path / "artifact", "sha256:" + "0" * 64) as pod:
        assert pod.exit_code(within=30) == EXIT_CODE_FAILURE
    failure = Failure.from_text(pod.termination.read_text(encoding="utf-8"))
    assert failure is not None
    assert failure.reason is FailureReason.DIGEST_MISMATCH
    last = orjson.loads(pod.log.read_text(encoding="utf-8").splitlines()[-1])
    assert last["level"] == "error"
    assert failure.message in last["message"]


def test_wrong_settings_are_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Even without valid settings the message reaches the file that a variable names."""
    monkeypatch.setattr("bentos.front.logs.configure", lambda: None)
    termination = tmp_path / "termination-log"
    termination.write_bytes(b"")
    assert main({"MARQUEE_TERMINATION_MESSAGE_PATH": str(termination)}) == EXIT_CODE_FAILURE
    failure = Failure.from_text(termination.read_text(encoding="utf-8"))
    assert failure is not None
    assert failure.reason is FailureReason.SETTINGS_INVALID
    assert "MARQUEE_MODEL: is not set" in caplog.text


def test_an_address_that_cannot_be_listened_on_is_a_wrong_setting() -> None:
    """A taken port names the variable and the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CannotServeError) as refused:
            _listen(address, "MARQUEE_LISTEN")
    assert refused.value.reason is FailureReason.SETTINGS_INVALID
    assert f"MARQUEE_LISTEN: cannot listen on {address}" in refused.value.message


@pytest.mark.parametrize("address", [":0", "127.0.0.1:0"])
def test_an_address_without_a_host_means_all_of_them(address: str) -> None:
    """The port is reachable over IPv4 whether or not the machine has IPv6."""
    with _listen(address, "MARQUEE_LISTEN") as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            assert connection.getpeername()[1] == port
