"""What a converged operator costs: nothing on a restart, an upgrade, a resync; little for one change among many."""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Any, Final

from marquee.control.kinds import DEPLOYMENT, MARKETING_MODEL
from tests.bench.control.auditing import Requests
from tests.bench.control.creating import SETTLE_SECONDS, Awaited, is_ready
from tests.bench.control.operating import running_operator
from tests.bench.control.plane import Plane
from tests.bench.control.watch import Watch
from tests.bench.control.workload import sample

_PATIENCE_SECONDS: Final = 120.0
_RESYNC_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.5


async def requests_of_restart(plane: Plane, count: int, **settings: str) -> Requests:
    """Start an operator on `count` models that another one has left converged, and let it look at each."""
    plane.audit.take()
    async with running_operator(plane, **settings) as operator:
        await operator.wait_for_passes(count, timeout_seconds=_PATIENCE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        return plane.audit.take()


async def requests_of_resync(plane: Plane, count: int) -> Requests:
    """Have every model looked at once more, without anything having happened."""
    async with running_operator(plane, resync_seconds=str(_RESYNC_SECONDS)) as operator:
        await operator.wait_for_passes(count, timeout_seconds=_PATIENCE_SECONDS)
        plane.audit.take()
        passes = await operator.metric("marquee_reconciles_total")
        await operator.wait_for_passes(passes + count, timeout_seconds=_PATIENCE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        return plane.audit.take()


async def update_seconds(plane: Plane, changes: int) -> float:
    """Median time from the change of one model's spec until its Deployment has changed."""
    taken = []
    for number in range(changes):
        taken.append(await _update_one(plane, number))
        await asyncio.sleep(_PAUSE_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)  # the last one's former pods are still on their way out
    return median(taken)


async def _update_one(plane: Plane, number: int) -> float:
    one = sample(number)
    name = one.revision["metadata"]["name"]
    before = await plane.people.get(DEPLOYMENT, "default", name)
    changed, ready = Awaited([name]), Awaited([one.model["metadata"]["name"]])

    def take_deployment(body: dict[str, Any]) -> None:
        if body["metadata"]["generation"] > before["metadata"]["generation"]:
            changed.reached(body["metadata"]["name"])

    def take_model(body: dict[str, Any]) -> None:
        if is_ready(body):
            ready.reached(body["metadata"]["name"])

    deployments = await Watch(plane.people.connection, DEPLOYMENT, take_deployment).start()
    models = await Watch(plane.people.connection, MARKETING_MODEL, take_model).start()
    try:
        model = one.model | {"spec": one.model["spec"] | {"serving": {"threads": 2}}}
        started = time.monotonic()
        await plane.people.apply(MARKETING_MODEL, model, force=False)
        await changed.wait()
        seconds = time.monotonic() - started
        await ready.wait()
    finally:
        await deployments.stop()
        await models.stop()
    return seconds
