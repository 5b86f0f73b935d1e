"""Models with Triton beside the front: the same answers, through its death, and its refusals in the condition."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pytest

from demo.forwarding import call
from demo.target import Target
from localcluster.runtime import Runtime
from localcluster.stages import Stages
from localcluster.triton import image
from tests.support.place import LIGHT, Place, fresh_place
from tests.support.waiting import wait_for

RESOURCES: Final = {"requests": {"cpu": "20m", "memory": "128Mi"}, "limits": {"memory": "768Mi"}}
TIMEOUT_SECONDS: Final = 5
BIAS: Final = 1.5
EXAMPLE: Final = {"recency": 1.0, "frequency": 2.0, "spend": 3.0}


@pytest.fixture(scope="session")
def triton(operator: object) -> str:  # noqa: ARG001 - its containerd takes the image
    """Name of the image with a real Triton, whose backends are Python alone."""
    return image.provide(Stages())


@pytest.fixture(scope="module")
def beside(operator: Target, triton: str) -> Iterator[Place]:
    """A namespace whose model is served with Triton beside the front."""
    with fresh_place(operator, "triton") as place:
        block = serving(triton, maxBatchSize=16, warmUp={"batchSizes": [1, 16]})
        place.serve("beside", bias=BIAS, serving=block)
        yield place


def serving(triton: str, **fields: Any) -> dict[str, Any]:
    """``spec.serving`` of a model in Triton's Python backend."""
    block = {"image": triton, "backend": "python", "resources": RESOURCES}
    return {**LIGHT, "triton": {**block, "timeoutMilliseconds": TIMEOUT_SECONDS * 1_000, **fields}}


def scores(url: str, rows: list[list[float]]) -> list[float]:
    """Predictions of many rows by tensor."""
    tensor = {"name": "inputs", "shape": [len(rows), 3], "datatype": "FP64", "data": rows}
    name = url.rsplit("/", 1)[1]
    answer = call(f"{url.rsplit('/', 1)[0]}/v2/models/{name}/infer", {"inputs": [tensor]})
    return list(answer["outputs"][0]["data"])


def test_triton_answers_what_onnxruntime_does_in_process(beside: Place) -> None:
    """One artifact served both ways predicts the same; its page has Triton's metrics under its own labels."""
    beside.serve("inside", bias=BIAS)
    rows = np.random.default_rng(3).uniform(0, 100, size=(50, 3)).tolist()
    inside, by_triton = (scores(f"{beside.url(name)}/{name}", rows) for name in ("inside", "beside"))
    np.testing.assert_allclose(by_triton, inside, rtol=0, atol=1e-6)
    with urllib.request.urlopen(f"http://{_pod(beside)['status']['podIP']}:9090/metrics", timeout=5) as page:
        text = page.read().decode()
    assert f'nv_inference_count{{model="beside",namespace="{beside.namespace}",revision="beside-v1"}}' in text
    assert 'flavour="onnx"' in text


def test_triton_killed_under_load_costs_bounded_refusals(beside: Place) -> None:
    """No request hangs, none is answered wrongly, and the pod serves again without anybody's help."""
    pod = _pod(beside)
    address = f"http://{pod['status']['podIP']}:8080/predict"  # no Service: a pod that is not ready answers too
    with _users(address) as seen:
        time.sleep(1)
        _kill_triton(beside, pod)
        wait_for("refusals", lambda: True if any(status == 503 for status, _, _ in seen) else None, timeout_seconds=30)
        started = time.monotonic()
        wait_for("answers again", lambda: True if seen[-1][0] == 200 else None, timeout_seconds=90)
        recovered = time.monotonic() - started
    counts = Counter(status for status, _, _ in seen)
    print(f"killed under load: {dict(counts)}, slowest {max(s for _, s, _ in seen):.2f} s, back in {recovered:.1f} s")
    assert set(counts) == {200, 503}
    assert max(seconds for _, seconds, _ in seen) < TIMEOUT_SECONDS + 2
    assert {body["outputs"]["score"] for status, _, body in seen if status == 200} == {6.0 + BIAS}
    assert {retry_after for status, _, retry_after in seen if status == 503} == {"1"}
    assert beside.pods()[pod["metadata"]["uid"]] == 0, "the predictor itself was never restarted"
    assert _predict(f"{beside.url('beside')}/predict")[0] == 200, "the Service has the pod again"


def test_a_model_that_triton_refuses_has_its_words_in_the_condition(place: Place, triton: str) -> None:
    """A backend that the image does not have; the stable revision, if there was one, would go on."""
    place.apply_revision("lead-v1", "lead", place.artifact("lead-v1", "lead").digest)
    place.apply_model("lead", "lead-v1", serving=serving(triton, backend="onnxruntime"))
    condition = place.wait_for_reason("lead", "ModelRefused", timeout_seconds=120)
    assert "Triton refuses the model" in condition["message"]
    assert "onnxruntime" in condition["message"]


def _pod(place: Place) -> dict[str, Any]:
    """The one with Triton."""
    (pod,) = place.target.list("pods", place.namespace, "marquee.dev/model=beside")
    return pod


@contextmanager
def _users(address: str) -> Iterator[list[tuple[int, float, Any]]]:
    """Four of them, until the end: status, seconds, and what came with it of each request."""
    seen: list[tuple[int, float, Any]] = []
    stop = threading.Event()

    def user() -> None:
        while not stop.is_set():
            started = time.monotonic()
            status, body, retry_after = _predict(address)
            seen.append((status, time.monotonic() - started, body if status == 200 else retry_after))
            time.sleep(0.02)

    users = [threading.Thread(target=user) for _ in range(4)]
    for thread in users:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in users:
            thread.join()


def _predict(url: str) -> tuple[int, Any, str | None]:
    body = json.dumps({"inputs": EXAMPLE}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - http to the cluster
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - same
            return answer.status, json.loads(answer.read()), None
    except urllib.error.HTTPError as error:
        return error.code, None, error.headers.get("retry-after")


def _kill_triton(place: Place, pod: dict[str, Any]) -> None:
    local = place.target.local
    assert local is not None
    container = next(c["containerID"] for c in pod["status"]["initContainerStatuses"] if c["name"] == "triton")
    Runtime(local.layout).kill(container.removeprefix("containerd://"))
