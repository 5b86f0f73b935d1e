"""A whole pod with ``MARQUEE_PRIVACY``: keys, list and log over real files and sockets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from marquee.client import ModelClient
from marquee.contract.assignment import unit_hash
from marquee.contract.ledger import PredictionKey
from marquee.contract.pod import EXIT_CODE_FAILURE, Failure
from marquee.contract.privacy import PredictionLogBatch, SuppressionsReply
from tests.unit.front.artifacts import write_artifact
from tests.unit.front.pods import Pod
from tests.unit.front.privacy.tokens import MODEL, UNIT, keys_in, token

INPUTS = {"f0": 1.0, "f1": 2.0}
SUPPRESSED = "customer-withdrawn"
WAIT_SECONDS = 60.0


class Ledger:
    """As much of a ledger as a pod with this block talks to, by the contract's models."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        reply = SuppressionsReply(revision=1, units=(unit_hash(MODEL, SUPPRESSED).hex(),))
        key = PredictionKey(key_id=0, secret="00" * 32)
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                told = {f"/v1/suppressions/{MODEL}": reply, f"/v1/prediction-keys/{MODEL}": key}.get(self.path)
                self._answer(
                    404 if told is None else 200, told.model_dump_json(by_alias=True).encode() if told else b""
                )

            def do_POST(self) -> None:
                ledger.posted.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self._answer(200, b"{}")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    thread = threading.Thread(target=ledger.server.serve_forever, args=(0.02,))
    thread.start()
    yield ledger
    ledger.server.shutdown()
    thread.join()
    ledger.server.server_close()


def pod_of(folder: Path, privacy: dict[str, Any], **settings: str) -> Pod:
    digest = write_artifact(folder / "artifact")
    keys = str(folder / "keys")
    return Pod(folder, folder / "artifact", digest, privacy=json.dumps(privacy), purpose_keys_path=keys, **settings)


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_pod_with_the_block(tmp_path: Path, ledger: Ledger) -> None:
    """Who consents is predicted and logged; who does not, or is suppressed, gets the answer for everybody."""
    keys_in(tmp_path / "keys")
    privacy = {
        "purposes": ["profiling"],
        "byToken": True,
        "withheldAnswer": {"score": 0.5},
        "logPermille": 1000,
        "logInputs": ["f1"],
    }
    spool = tmp_path / "spool"
    with pod_of(tmp_path, privacy, ledger_url=ledger.url, spool_path=str(spool)) as pod:
        pod.wait_until_ready()
        with ModelClient(MODEL, f"http://127.0.0.1:{pod.port}", timeout_seconds=WAIT_SECONDS) as client:
            given = client.predict(INPUTS, UNIT, purpose_token=token())
            without = client.predict(INPUTS, UNIT)
            sub = unit_hash(MODEL, SUPPRESSED).hex()
            withdrawn = client.predict(INPUTS, SUPPRESSED, purpose_token=token(sub=sub))
        assert (given.withheld, without.withheld, withdrawn.withheld) == ("", "consent", "suppressed")
        assert without.outputs == withdrawn.outputs == {"score": 0.5}
        assert given.outputs != without.outputs
        page = pod.get("/metrics", port=pod.metrics_port)[1].decode()
        for line in ('reason="consent",revision="fixture-1"} 1.0', "suppressions_known{"):
            assert line in page
        until(lambda: any(path == "/v1/prediction-log" for path, _ in ledger.posted))
    batches = [PredictionLogBatch.model_validate_json(body) for path, body in ledger.posted if path.endswith("log")]
    (decision,) = batches[0].decisions
    assert (len(batches), decision.subject, decision.inputs) == (1, unit_hash(MODEL, UNIT).hex(), {"f1": 2.0})
    assert decision.outputs == given.outputs
    assert (spool / "suppressions").exists()


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ({"purposes": ["profiling"], "byToken": True}, "spec.privacy.consent.keysSecret names the Secret"),
        ({"withheldAnswer": {"probability": 0.5}}, "withheldAnswer: the artifact has no output probability"),
    ],
    ids=["no Secret", "no such output"],
)
def test_a_pod_that_cannot_keep_its_promise_does_not_serve(tmp_path: Path, privacy: dict[str, Any], words: str) -> None:
    """It says why where the operator reads it, and that becomes the model's condition."""
    with pod_of(tmp_path, privacy) as pod:
        assert pod.process is not None
        assert pod.process.wait(WAIT_SECONDS) == EXIT_CODE_FAILURE
    failure = Failure.from_text(pod.termination.read_text(encoding="utf-8"))
    assert failure is not None
    assert failure.reason == "SettingsInvalid"
    assert words in failure.message
