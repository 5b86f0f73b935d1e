"""The reporter against the ledger itself: a process that is killed, and a pod whose container restarts."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.front.reporting import delivery
from bentos.front.reporting.making import reporter_of
from bentos.front.reporting.statistics import Kind
from bentos.front.settings import Settings
from marquee.contract.prediction import derive_secret
from tests.unit.front.artifacts import write_artifact
from tests.unit.front.pods import Pod
from tests.unit.front.reporting.builders import FAST, OK, caller
from tests.unit.front.reporting.ledgers import MASTER, LedgerProcess

ROLLOUT, DECLARED = "ns/fixture/lead-v2", "ns/fixture/declared"
INPUTS = {"f0": 1.0, "f1": 2.0}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerProcess]:
    """One book for all; every test leaves it running."""
    with LedgerProcess(tmp_path_factory.mktemp("book")) as ledger:
        yield ledger


async def test_a_ledger_that_is_killed_under_load_counts_every_exposure_once(
    ledger: LedgerProcess, settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started again while predictions go on: no unit and no request is lost or counted twice."""
    monkeypatch.setattr(delivery, "MAX_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr("bentos.front.reporting.reporter.HAND_OVER_SECONDS", 0.02)
    reporter = reporter_of(settings({"ledger_url": ledger.url, "spool_path": tmp_path / "spool"}))
    assert reporter is not None
    units = requests = 0
    async with reporter.running():

        async def predict(seconds: float) -> None:
            nonlocal units, requests
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                status = 500 if requests % 10 == 0 else OK
                reporter.counting.observe(caller("lead-v2/0/canary", f"user-{units}"), status, FAST)
                reporter.counting.observe(caller("lead-v2/1/stable", f"user-{units // 2}"), OK, FAST)
                units, requests = units + 1, requests + 1
                await asyncio.sleep(0.002)

        await predict(0.5)
        ledger.kill()
        restarting = asyncio.create_task(asyncio.to_thread(ledger.start))
        while not restarting.done():
            await predict(0.1)
        await restarting
        while not reporter.idle:
            await asyncio.sleep(0.05)
    found = ledger.cohorts(ROLLOUT)
    assert found["0/canary"]["exposures"] == units
    assert found["1/stable"]["exposures"] == 0
    assert found["0/canary"]["requests"] == found["1/stable"]["requests"] == requests
    assert found["0/canary"]["errors"] == -(-requests // 10)
    assert reporter.statistics.retries > 0
    assert reporter.statistics.sent[Kind.COUNTS] == 2 * requests
    assert reporter.statistics.sent[Kind.EXPOSURES] >= units


class Caller:
    """Predicts over one connection, as a user in a rollout."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def predict(self, unit: str) -> str:
        """The prediction id."""
        headers = {"content-type": "application/json", "marquee-cohort": "declared/0/canary", "marquee-unit": unit}
        self._connection.request("POST", "/predict", json.dumps({"inputs": INPUTS}), headers)
        response = self._connection.getresponse()
        assert response.status == 200, response.read()
        body: dict[str, Any] = json.loads(response.read())
        assert body["predictionId"] == response.headers["marquee-prediction-id"]
        return str(body["predictionId"])

    def close(self) -> None:
        self._connection.close()


def predicted(pod: Pod, units: range) -> list[str]:
    client = Caller(pod.port)
    ids = [client.predict(f"user-{number}") for number in units]
    client.close()
    return ids


def metric(pod: Pod, name: str) -> float:
    page = pod.get("/metrics", port=pod.metrics_port)[1].decode()
    found = re.search(rf"^marquee_predictor_report_{name}\{{[^}}]*\}} (.+)$", page, re.MULTILINE)
    assert found is not None
    return float(found[1])


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_container_that_restarts_sends_what_its_predecessor_kept(ledger: LedgerProcess, tmp_path: Path) -> None:
    """Ids of predictions take outcomes; a ledger that is away, a killed and an ending container lose nothing."""
    key = tmp_path / "key"
    key.mkdir()
    (key / "0").write_text(derive_secret(MASTER, "ns/fixture").hex(), encoding="ascii")
    digest = write_artifact(tmp_path / "artifact")
    pod_settings = {
        "ledger_url": ledger.url,
        "prediction_key_path": str(key),
        "spool_path": str(tmp_path / "spool"),
        "drain_seconds": "60",
        "slo_p99_milliseconds": "0.000001",
        "log_sample_rate": "0",
    }
    ledger.declare(DECLARED, "conversion")
    with Pod(tmp_path, tmp_path / "artifact", digest, **pod_settings) as pod:
        pod.wait_until_ready()
        ids = predicted(pod, range(10))
        eventually(lambda: metric(pod, "last_success_timestamp_seconds") > 0)
        ledger.kill()
        ids += predicted(pod, range(20))
        eventually(lambda: metric(pod, "spool_batches") >= 2 and metric(pod, "buffered") == 0)
    with Pod(tmp_path, tmp_path / "artifact", digest, **pod_settings) as pod:  # the one before was killed
        pod.wait_until_ready()
        assert metric(pod, "spool_batches") >= 2
        predicted(pod, range(30))
        pod.terminate()
        ledger.start()
        assert pod.exit_code(within=90) == 0
    cohort = ledger.cohorts(DECLARED)["0/canary"]
    assert (cohort["exposures"], cohort["requests"], cohort["slow"], cohort["errors"]) == (30, 60, 60, 0)
    converted = [*ids[8:12], ids[8]]
    assert [ledger.report(identifier, "conversion")["counted"] for identifier in converted] == [1, 1, 1, 1, 0]
    assert ledger.cohorts(DECLARED)["0/canary"]["outcomes"]["conversion"]["successes"] == 4
    assert list((tmp_path / "spool").iterdir()) == []
