"""Creates many models at once, by the operator and by the floor: until all are ready, and at which cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from marquee.control.kinds import DEPLOYMENT, MARKETING_MODEL, MODEL_REVISION, Kind
from tests.bench.control.auditing import Requests
from tests.bench.control.operating import Operator
from tests.bench.control.plane import Plane
from tests.bench.control.watch import Watch
from tests.bench.control.workload import CLIENTS, Sample, children_of, sample
from tests.support import samples

T = TypeVar("T")

SETTLE_SECONDS: Final = 2.0
"""Costs are read this long after the last model was ready: what trails behind is counted too."""
_SECONDS_PER_MODEL: Final = 0.5
_START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Creation:
    """What it took to bring up some models."""

    count: int
    seconds: float
    """From the first apply until the last was ready."""
    api_server_cpu_seconds: float
    operator_cpu_seconds: float
    requests: Requests
    """Of the operator, or of the floor's client."""


class Awaited:
    """Names that have to be ready."""

    def __init__(self, names: Iterable[str]) -> None:
        self._missing = set(names)
        self._count = len(self._missing)
        self._all = asyncio.Event()

    def reached(self, name: str) -> None:
        """One of them is."""
        self._missing.discard(name)
        if not self._missing:
            self._all.set()

    async def wait(self) -> None:
        """Until the last one is; the longest patience is ten times what is usual.

        Raises:
            AssertionError: with some of those that are not.

        """
        try:
            async with asyncio.timeout(_START_SECONDS + _SECONDS_PER_MODEL * self._count):
                await self._all.wait()
        except TimeoutError:
            first = ", ".join(sorted(self._missing)[:3])
            raise AssertionError(f"{len(self._missing)} of {self._count} never got ready: {first}, ...") from None


def is_ready(model: dict[str, Any]) -> bool:
    """Whether a MarketingModel says that its newest spec serves."""
    return any(
        condition["type"] == "Ready"
        and condition["status"] == "True"
        and condition["observedGeneration"] == model["metadata"]["generation"]
        for condition in model.get("status", {}).get("conditions", ())
    )


def is_available(deployment: dict[str, Any]) -> bool:
    """Whether a Deployment has the pod it wants."""
    return bool(deployment.get("status", {}).get("availableReplicas", 0) >= 1)


async def at_once(items: Iterable[T], send: Callable[[T], Awaitable[object]]) -> None:
    """Send everything with `CLIENTS` clients, each doing one thing after the other."""
    remaining = iter(items)

    async def client() -> None:
        for item in remaining:
            await send(item)

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())


async def create_models(plane: Plane, operator: Operator, count: int) -> Creation:
    """People apply models and revisions; the operator does the rest."""
    sent = [sample(number) for number in range(count)]

    async def send(one: Sample) -> None:
        await plane.people.apply(MODEL_REVISION, one.revision, force=False)
        await plane.people.apply(MARKETING_MODEL, one.model, force=False)

    plane.audit.take()
    used = operator.cpu_seconds()
    names = [one.model["metadata"]["name"] for one in sent]
    async with _measured(plane, MARKETING_MODEL, names, is_ready) as measured:
        await at_once(sent, send)
    return measured.creation(operator.cpu_seconds() - used)


async def create_floor(plane: Plane, count: int) -> Creation:
    """A bare client writes the same children, owned by a model that nobody looks after."""
    owner = samples.model("floor", revision="none")
    stored = await plane.people.apply(MARKETING_MODEL, owner, force=False)
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "floor",
        "uid": stored["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    plans = [children_of(sample(number), owner=reference) for number in range(count)]

    async def send(plan: Any) -> None:
        for apply in plan:
            await plane.operator.create(apply.kind, apply.manifest)

    plane.audit.take()
    names = [apply.manifest["metadata"]["name"] for plan in plans for apply in plan if apply.kind == DEPLOYMENT]
    async with _measured(plane, DEPLOYMENT, names, is_available) as measured:
        await at_once(plans, send)
    return measured.creation(0.0)


@dataclass
class _Measured:
    plane: Plane
    count: int
    seconds: float = 0.0
    api_server_cpu_seconds: float = 0.0

    def creation(self, operator_cpu_seconds: float) -> Creation:
        return Creation(
            count=self.count,
            seconds=self.seconds,
            api_server_cpu_seconds=self.api_server_cpu_seconds,
            operator_cpu_seconds=operator_cpu_seconds,
            requests=self.plane.audit.take(),
        )


@asynccontextmanager
async def _measured(
    plane: Plane, kind: Kind, names: list[str], is_done: Callable[[dict[str, Any]], bool]
) -> AsyncIterator[_Measured]:
    """Watch until all objects of those names are done; the body of the context sends them."""
    awaited = Awaited(names)

    def take(body: dict[str, Any]) -> None:
        if is_done(body):
            awaited.reached(body["metadata"]["name"])

    measured = _Measured(plane, len(names))
    watch = await Watch(plane.people.connection, kind, take).start()
    used = plane.api_server_cpu_seconds()
    started = time.monotonic()
    try:
        yield measured
        await awaited.wait()
        measured.seconds = time.monotonic() - started
        await asyncio.sleep(SETTLE_SECONDS)
        measured.api_server_cpu_seconds = plane.api_server_cpu_seconds() - used
    finally:
        await watch.stop()
