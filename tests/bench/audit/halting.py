"""The kill switch on the local cluster at 200 requests a second: with the ledger, and while it is away.

From the moment at which a person starts `kubectl marquee kill` to the last answer of anything but the fallback.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from demo.canary import LEDGER
from demo.story import SYSTEM
from demo.target import Target, wait_for
from localcluster.runtime import Runtime
from localcluster.stages import Stages
from tests.bench.traffic.measuring import Answer, seconds_until_gone
from tests.bench.traffic.users import CORE, RATE
from tests.bench.traffic.world import standing
from tests.support.load import Load
from tests.support.ramp import INPUTS, MODEL, Ramp

STABLE: Final = f"{MODEL}-v1"
FALLBACK: Final = f"{MODEL}-v2"
_LIMIT_SECONDS: Final = 900.0
_PATIENCE_SECONDS: Final = 120.0
_SETTLE_SECONDS: Final = 5.0
_WATCH_SECONDS: Final = 15.0
"""After a turn, in which nobody but the fallback may answer any more."""
_END_SECONDS: Final = 30.0


def halting(turns: int, stages: Stages) -> dict[str, float]:
    """So many turns with the ledger and as many without it; figures by the keys of the report: the slowest of each."""
    with standing(stages) as ramp, _stand_by(ramp) as (load, answers):
        with_ledger = [_turn(ramp, answers, stages) for _ in range(turns)]
        without = []
        for _ in range(turns):
            with _ledger_away(ramp.place.target):
                without.append(_turn(ramp, answers, stages, lift=False))
            _lift(ramp)
    for line in load.report.failures[:10]:
        stages.say(line)
    return {
        "kill_switch_seconds": max(with_ledger),
        "kill_switch_seconds_without_ledger": max(without),
        "kill_switch_requests": float(load.report.total),
        "kill_switch_failed_requests": float(len(load.report.failures)),
    }


@contextmanager
def _stand_by(ramp: Ramp) -> Iterator[tuple[Load, list[Answer]]]:
    """Users who ask while the block runs, and a fallback that is ready."""
    ramp.revise(2)
    spec = {"killSwitch": {"fallback": {"revision": FALLBACK}}, "rollout": {"steps": None, "analysis": None}}
    ramp.place.target.kubectl(
        "patch", "marketingmodel", MODEL, "-n", ramp.place.namespace, "--type=merge", "-p", json.dumps({"spec": spec})
    )
    wait_for("the fallback's pod", lambda: _is_safe(ramp, "StandingBy"), timeout_seconds=_PATIENCE_SECONDS)
    wait_for("its readiness", lambda: _ready(ramp.pods(FALLBACK)), timeout_seconds=_PATIENCE_SECONDS)
    answers: list[Answer] = []

    def take(_number: int, answer: dict[str, Any]) -> None:
        answers.append(Answer(time.monotonic(), answer["revision"], None))

    load = Load(f"{ramp.url}/predict", {"inputs": INPUTS}, rate=RATE, on_answer=take)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_pinned(load)), daemon=True)
    thread.start()
    try:
        time.sleep(_SETTLE_SECONDS)
        yield load, answers
    finally:
        loop.call_soon_threadsafe(load.stop)
        thread.join(_END_SECONDS)
        loop.close()


async def _pinned(load: Load) -> None:
    if CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {CORE})  # this thread alone
    await load.run(limit_seconds=_LIMIT_SECONDS)


def _turn(ramp: Ramp, answers: list[Answer], stages: Stages, *, lift: bool = True) -> float:
    """Engage the switch, look who answers, and lift it; seconds to the last answer of stable."""
    before = len(answers)
    begin = time.monotonic()
    ramp.plugin("kill", "--reason", "a benchmark")
    command = time.monotonic() - begin
    time.sleep(_WATCH_SECONDS)
    wait_for("the safe state", lambda: _is_safe(ramp, "KillSwitch"), timeout_seconds=_PATIENCE_SECONDS)
    seconds = seconds_until_gone(answers[before:], STABLE, begin)
    stages.say(f"kill switch: the last other answer was {seconds:.2f} s after the command, which took {command:.2f} s")
    if lift:
        _lift(ramp)
    return seconds


def _lift(ramp: Ramp) -> None:
    ramp.plugin("unkill")
    wait_for("the switch to be lifted", lambda: _is_safe(ramp, "StandingBy"), timeout_seconds=_PATIENCE_SECONDS)
    ramp.place.wait_for_reason(MODEL, "Serving", timeout_seconds=_PATIENCE_SECONDS)
    time.sleep(_SETTLE_SECONDS)


@contextmanager
def _ledger_away(target: Target) -> Iterator[None]:
    """Nobody reaches the ledger: its Service leads nowhere, and connections of before end with its process."""
    service = target.get("service", LEDGER, SYSTEM)
    assert service is not None
    selector = service["spec"]["selector"]
    _select(target, dict.fromkeys(selector) | {"marquee.dev/nobody": "here"})
    local = target.local
    assert local is not None
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    for pod in target.list("pods", SYSTEM, labels):
        for container in pod["status"]["containerStatuses"]:
            Runtime(local.layout).kill(container["containerID"].removeprefix("containerd://"))
    try:
        yield
    finally:
        _select(target, selector | {"marquee.dev/nobody": None})
        wait_for("the ledger", lambda: _ready(target.list("pods", SYSTEM, labels)), timeout_seconds=_PATIENCE_SECONDS)


def _select(target: Target, selector: dict[str, Any]) -> None:
    """Merge these labels into the selector of the ledger's Service; None takes one away."""
    patch = json.dumps({"spec": {"selector": selector}})
    target.kubectl("patch", "service", LEDGER, "-n", SYSTEM, "--type=merge", "-p", patch)


def _is_safe(ramp: Ramp, reason: str) -> bool | None:
    found = ramp.place.target.get("marketingmodel", MODEL, ramp.place.namespace) or {}
    conditions = found.get("status", {}).get("conditions", [])
    return True if any(one["type"] == "SafeState" and one["reason"] == reason for one in conditions) else None


def _ready(pods: list[dict[str, Any]]) -> bool | None:
    conditions = [one for pod in pods for one in pod["status"].get("conditions", []) if one["type"] == "Ready"]
    return True if conditions and all(one["status"] == "True" for one in conditions) else None
