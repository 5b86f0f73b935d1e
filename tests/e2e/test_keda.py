"""A real KEDA scales a model by the requests that its pods tell, and by a schedule down to no pod at all."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import pytest

from demo.target import Target
from tests.support.load import Load
from tests.support.place import Place
from tests.support.schedules import window
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("scaled"), pytest.mark.first]
INPUTS: Final = {"inputs": {"recency": 1.0, "frequency": 2.0, "spend": 3.0}}
QUICK: Final = {
    "scaleUp": {"stabilizationWindowSeconds": 0},
    "scaleDown": {
        "stabilizationWindowSeconds": 5,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 5}],
    },
}
BY_REQUESTS: Final[dict[str, Any]] = {
    "class": "KEDA",
    "maxReplicas": 3,
    "requestsPerSecond": 20,
    "behavior": QUICK,
}
RATE: Final = 50


@pytest.fixture(scope="module")
def scaled(operator: Target) -> Target:
    """The cluster with KEDA: `chart` installs it for whoever asks for this."""
    return operator


def _replicas(place: Place, revision: str) -> int:
    deployment = place.target.get("deployment", revision, place.namespace)
    return int(deployment["spec"]["replicas"]) if deployment else -1


def _condition(place: Place, model: str) -> dict[str, Any]:
    status = (place.target.get("marketingmodel", model, place.namespace) or {}).get("status", {})
    return next((c for c in status.get("conditions", []) if c["type"] == "AutoscalerReady"), {})


def _until(place: Place, revision: str, pods: range, *, timeout_seconds: float) -> float:
    """Seconds until the number of pods is one of these."""
    started = time.monotonic()
    what = f"{revision} with {pods.start} to {pods.stop - 1} pods"
    wait_for(what, lambda: _replicas(place, revision) in pods or None, timeout_seconds=timeout_seconds)
    return time.monotonic() - started


async def test_load_raises_the_number_of_pods_and_quiet_brings_it_down(place: Place) -> None:
    """50 requests a second at 20 a pod are three pods; without load it is one again; no request is lost."""
    revision = place.serve("lead", scaling=BY_REQUESTS)
    wait_for("KEDA", lambda: _condition(place, "lead").get("status") == "True" or None, timeout_seconds=90)
    load = Load(f"{place.url('lead')}/predict", INPUTS, rate=RATE)
    running = asyncio.create_task(load.run(limit_seconds=150))
    try:
        await asyncio.to_thread(_until, place, revision, range(3, 4), timeout_seconds=120)
        await asyncio.sleep(10)
    finally:
        load.stop()
        report = await running
    assert report.failures == []
    await asyncio.to_thread(_until, place, revision, range(1, 2), timeout_seconds=120)


def test_a_model_sleeps_and_wakes_by_its_schedule(place: Place) -> None:
    """Outside of its hours it has no pod, which is told and is no failure; within them it answers again."""
    scaling = {"class": "KEDA", "minReplicas": 0, "maxReplicas": 2, "requestsPerSecond": 20, "idleSeconds": 5}
    revision = place.serve("lead", scaling=scaling | {"schedule": window(now=True)})
    assert _replicas(place, revision) == 1
    place.apply_model("lead", revision, scaling=scaling | {"schedule": window(now=False)})
    place.wait_for_reason("lead", "Asleep", timeout_seconds=120)
    assert _replicas(place, revision) == 0
    place.apply_model("lead", revision, scaling=scaling | {"schedule": window(now=True)})
    _until(place, revision, range(1, 2), timeout_seconds=90)
    place.wait_for_reason("lead", "Serving", timeout_seconds=60)
    place.url("lead")
