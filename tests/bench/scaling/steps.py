"""What is measured beside the replay: a step in the load, and a start from no pod."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import orjson

from demo.target import wait_for
from tests.bench.scaling.replay import Replay
from tests.bench.scaling.world import BY_REQUESTS, INPUTS, MODEL, TARGET_RATE, History, apply
from tests.support.place import Place
from tests.support.schedules import window

CALM_RATE: Final = TARGET_RATE / 4
STEP_RATE: Final = TARGET_RATE * 2.5
"""Three pods' worth."""
_CALM_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.1


async def scale_up_seconds(place: Place, url: str, history: History) -> float:
    """From a step in the load to the first prediction of a pod that was not there before."""
    before = _addresses(place)
    replay = Replay(f"{url}/predict", {"inputs": INPUTS})
    calm = (number / CALM_RATE for number in range(int(_CALM_SECONDS * CALM_RATE)))
    steep = (_CALM_SECONDS + number / STEP_RATE for number in count())
    started = time.monotonic()
    running = asyncio.create_task(replay.run(moment for part in (calm, steep) for moment in part))
    try:
        await asyncio.sleep(_CALM_SECONDS)
        await asyncio.to_thread(history.until, 2, timeout_seconds=180)
        answered = await asyncio.to_thread(_first_answer, place, before)
    finally:
        replay.stop()
        await running
    return answered - started - _CALM_SECONDS


def cold_start_seconds(place: Place, url: str, history: History) -> float:
    """From the moment a floor begins to hold to the first answer of a model that had no pod."""
    scaling = BY_REQUESTS | {"minReplicas": 0, "idleSeconds": 5}
    apply(place, scaling | {"schedule": window(now=False)})
    place.wait_for_reason(MODEL, "Asleep", timeout_seconds=300)
    wait_for("no pod", lambda: True if history.ready == 0 and not _addresses(place) else None, timeout_seconds=60)
    started = time.monotonic()
    apply(place, scaling | {"schedule": window(now=True)})
    return _soon("an answer", lambda: _answer(url), timeout_seconds=180) - started


def _first_answer(place: Place, before: set[str]) -> float:
    """When one of the new pods first answered."""

    def found() -> float | None:
        moments = (_answer(f"http://{address}:8080") for address in _addresses(place) - before)
        return next((moment for moment in moments if moment is not None), None)

    return _soon("a new pod's answer", found, timeout_seconds=60)


def _soon(what: str, poll: Callable[[], float | None], *, timeout_seconds: float) -> float:
    """The first moment that ``poll`` finds; asked often, as the wait between two looks would count."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if (found := poll()) is not None:
            return found
        time.sleep(_POLL_SECONDS)
    raise TimeoutError(f"{what}: not within {timeout_seconds:g} s")


def _addresses(place: Place) -> set[str]:
    """Of the model's pods."""
    pods: list[dict[str, Any]] = place.target.list("pods", place.namespace, f"marquee.dev/model={MODEL}")
    return {pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")}


def _answer(url: str) -> float | None:
    """The moment at which a prediction was answered; None when it was not."""
    body = orjson.dumps({"inputs": INPUTS})
    request = urllib.request.Request(f"{url}/predict", body, {"content-type": "application/json"})  # noqa: S310 - http to the cluster
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310 - same
            answer.read()
            return time.monotonic()
    except OSError:
        return None
