"""A new revision takes over without a lost request, and one that cannot serve never gets a user."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demo.errors import DemoError
from marquee.contract.pod import FailureReason
from tests.support import artifacts
from tests.support.load import load_during
from tests.support.place import Place
from tests.support.waiting import wait_for

INPUTS = {"inputs": {"recency": 1.0, "frequency": 2.0, "spend": 3.0}}


def _serving(place: Place, model: str, revision: str) -> bool | None:
    status = (place.target.get("marketingmodel", model, place.namespace) or {}).get("status", {})
    return True if status.get("phase") == "Serving" and status["stable"]["revision"] == revision else None


async def test_takeover_loses_no_request(place: Place) -> None:
    """100 requests/s over old pods, switch, drain and removal: each is answered, first by v1, then by v2."""
    place.serve("lead", bias=1.0, rollout={"drainSeconds": 5})
    written = place.artifact("lead-v2", "lead", bias=2.0)
    place.apply_revision("lead-v2", "lead", written.digest)

    def change() -> None:
        place.apply_model("lead", "lead-v2", rollout={"drainSeconds": 5})
        wait_for("lead-v2 alone", lambda: _serving(place, "lead", "lead-v2"), timeout_seconds=90)
        wait_for("v1's pods gone", lambda: _gone(place, "marquee.dev/revision=lead-v1"), timeout_seconds=90)

    report = await load_during(f"{place.url('lead')}/predict", INPUTS, rate=100, change=change)
    assert report.failures == []
    assert set(report.answered) == {"lead-v1", "lead-v2"}
    switches = [a for a, _ in itertools.groupby(report.order[-50:])]
    assert switches == ["lead-v2"]


def _gone(place: Place, selector: str) -> bool | None:
    return True if not place.target.list("pods", place.namespace, selector) else None


async def test_changes_in_place_lose_no_request(place: Place) -> None:
    """Another memory request restarts the pods, and scaling up and down adds and removes them: nobody notices."""
    place.serve("lead", scaling={"minReplicas": 2})
    roomier = {"resources": {"requests": {"cpu": "20m", "memory": "112Mi"}, "limits": {"memory": "400Mi"}}}

    def change() -> None:
        place.apply_model("lead", "lead-v1", scaling={"minReplicas": 2}, serving=roomier)
        wait_for("the roll", lambda: _generation_serving(place, "lead", replicas=2), timeout_seconds=90)
        place.target.kubectl("scale", "mm", "lead", "-n", place.namespace, "--replicas=3")
        wait_for("three pods", lambda: _generation_serving(place, "lead", replicas=3), timeout_seconds=90)
        place.target.kubectl("scale", "mm", "lead", "-n", place.namespace, "--replicas=1")
        wait_for("one pod", lambda: _generation_serving(place, "lead", replicas=1), timeout_seconds=90)

    report = await load_during(f"{place.url('lead')}/predict", INPUTS, rate=100, change=change)
    assert report.failures == []
    assert report.total > 1000


def _generation_serving(place: Place, model: str, *, replicas: int) -> bool | None:
    found = place.target.get("marketingmodel", model, place.namespace) or {}
    status = found.get("status", {})
    settled = (
        status.get("phase") == "Serving"
        and status.get("observedGeneration") == found["metadata"]["generation"]
        and status["stable"]["readyReplicas"] == replicas
    )
    return True if settled else None


BROKEN_CLASSES = {
    FailureReason.MODEL_LOAD_FAILED: (
        "class Model:\n    def __init__(self, folder):\n        raise OSError('no weights')\n"
    ),
    FailureReason.WARM_UP_FAILED: (
        "import numpy as np\n\n\nclass Model:\n    def __init__(self, folder):\n        pass\n\n"
        "    def predict(self, rows):\n        return {'score': np.full(len(rows), np.nan)}\n"
    ),
}


def _broken_revision(place: Place, model: str, reason: FailureReason) -> str:
    """A second revision that fails for that reason; returns the digest to put into the ModelRevision."""
    name = f"{model}-v2"
    if reason in BROKEN_CLASSES:
        written = artifacts.python_class(place.volume / name, model, source=BROKEN_CLASSES[reason])
        place.hand_over(written.folder)
        return written.digest
    if reason is FailureReason.MODEL_MISMATCH:
        return place.artifact(name, "another").digest
    if reason is FailureReason.SCHEMA_MISMATCH:
        folder = place.artifact(name, model).folder
        fields = (*artifacts.FEATURES, "one_too_many")
        return _rewritten(place, folder, model, fields)
    written = place.artifact(name, model)
    manifest = written.folder / "manifest.json"
    match reason:
        case FailureReason.DIGEST_MISMATCH:
            (written.folder / "model.onnx").write_bytes(b"other bytes")
        case FailureReason.ARTIFACT_EMPTY:
            manifest.write_bytes(b"")
        case FailureReason.ARTIFACT_UNREACHABLE:
            manifest.unlink()
        case FailureReason.MANIFEST_INVALID:
            manifest.write_bytes(b"{}")
            return "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    return written.digest


def _rewritten(place: Place, folder: Any, model: str, fields: tuple[str, ...]) -> str:
    from marquee.contract.manifest import NumberField

    inputs = tuple(NumberField(name=name) for name in fields)
    written = artifacts.write_manifest(folder, model, inputs=inputs, example=dict.fromkeys(fields, 1.0))
    place.hand_over(written.folder)
    return written.digest


TOLD_BY_THE_POD = [
    FailureReason.ARTIFACT_UNREACHABLE,
    FailureReason.ARTIFACT_EMPTY,
    FailureReason.DIGEST_MISMATCH,
    FailureReason.MANIFEST_INVALID,
    FailureReason.SCHEMA_MISMATCH,
    FailureReason.MODEL_MISMATCH,
    FailureReason.MODEL_LOAD_FAILED,
    FailureReason.WARM_UP_FAILED,
]


def test_each_failure_says_why_and_leaves_stable_alone(place: Place) -> None:
    """A revision that cannot serve is reported with its own reason, while stable's pods are not even restarted."""
    names = {reason: f"m{index}" for index, reason in enumerate(TOLD_BY_THE_POD)}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(place.serve, names.values()))
    before = place.pods()
    told = {}
    for reason, name in names.items():
        place.apply_revision(f"{name}-v2", name, _broken_revision(place, name, reason))
        place.apply_model(name, f"{name}-v2")
    for reason, name in names.items():
        told[reason] = place.wait_for_reason(name, reason.value)["message"]
    for reason, message in told.items():
        assert f"revision {names[reason]}-v2: " in message
        assert f"revision {names[reason]}-v1 keeps serving" in message
    assert set(before.values()) == {0}
    assert before.items() <= place.pods().items()


def test_image_that_cannot_be_pulled_and_claim_that_is_missing(place: Place) -> None:
    """What the kubelet and the scheduler say reaches the condition, and going back is one change of the spec."""
    place.serve("lead")
    place.apply_revision("lead-v2", "lead", place.artifact("lead-v2", "lead").digest)
    serving: dict[str, Any] = {"image": "localhost/marquee/no-such-image:1", "imagePullPolicy": "Never"}
    place.apply_model("lead", "lead-v2", serving=serving)
    assert "spec.serving.image" in place.wait_for_reason("lead", "ImagePullFailed")["message"]
    place.apply_model("lead", "lead-v1")
    place.wait_for_reason("lead", "Serving")
    wait_for("the failed arm's removal", lambda: _gone(place, "marquee.dev/revision=lead-v2"), timeout_seconds=60)

    body = place.target.get("modelrevision", "lead-v2", place.namespace)
    assert body is not None
    body["metadata"] = {"name": "lead-v3", "namespace": place.namespace}
    body["spec"]["artifact"]["uri"] = "pvc://no-such-claim/lead-v3"
    place.target.apply(body)
    place.apply_model("lead", "lead-v3")
    assert "no-such-claim" in place.wait_for_reason("lead", "Unschedulable")["message"]


def test_model_that_runs_out_of_memory(place: Place) -> None:
    """A model that does not fit is killed at its limit, and the condition says which field to raise."""
    source = "class Model:\n    def __init__(self, folder):\n        self.block = bytearray(2**30)\n"
    written = artifacts.python_class(place.volume / "big-v1", "big", source=source)
    place.hand_over(written.folder)
    place.apply_revision("big-v1", "big", written.digest)
    place.apply_model("big", "big-v1")
    message = place.wait_for_reason("big", "OutOfMemory")["message"]
    assert "spec.serving.resources.limits.memory" in message


def test_waiting_for_a_revision_that_comes_later(place: Place) -> None:
    """A model may be applied before its revision; it says what is missing and goes on by itself."""
    place.apply_model("lead", "lead-v1")
    assert "lead-v1" in place.wait_for_reason("lead", "RevisionNotFound")["message"]
    place.apply_revision("lead-v1", "lead", place.artifact("lead-v1", "lead").digest)
    place.wait_for_reason("lead", "Serving")
    with pytest.raises(DemoError):
        wait_for("never", lambda: None, timeout_seconds=0.1)
