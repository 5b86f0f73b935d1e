"""Rollouts by steps without a gateway in the runs: the Service takes in both arms, their pods are the split."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import Any, Final

from marquee.control.render.names import ANNOTATION_ROLLOUT
from tests.crash.bench import Bench
from tests.crash.ramping import ROLLOUT, V3, publish, release
from tests.crash.routes import Split
from tests.crash.runs import Scenario
from tests.crash.scenarios import V1, V2, prepared_worlds
from tests.crash.users import HARMED, PLEASED, SILENT, Crowd, come
from tests.crash.world import World
from tests.support import samples
from tests.support.kinds import Object

PODS: Final = 4
"""Of stable: one pod beside them is a share of 20 %, and four are 50 %."""
_AT_ONCE: Final = 12
"""Runs side by side: most of their time they wait until all pods have heard of a step."""
_SPEC: Final[dict[str, Any]] = {"scaling": {"class": "None", "minReplicas": PODS}, "rollout": ROLLOUT}


async def create(world: World) -> None:
    """A revision, and a model of four pods that pins it."""
    await publish(world, V1)
    await world.create(samples.model("lead", revision=V1, **_SPEC))


async def serves(world: World, revision: str, phase: str) -> None:
    """Wait until a revision answers everybody by all of its pods, nothing of another is left, and the ledger knows."""

    def holds() -> bool:
        counts = (world.names("Deployment"), len(world.objects("Pod")), world.names("Service"))
        return world.status.get("phase") == phase and counts == ([revision], PODS, ["lead"]) and not _stamps(world)

    await world.wait(holds, f"{revision} is alone, {phase}")


def _stamps(world: World) -> bool:
    """Whether the ledger is still to be told that pods stamp no request any more."""
    return "stamping" in _record(world)


def _record(world: World) -> Object:
    """The rollout as the Service remembers it."""
    (service,) = world.objects("Service")
    record: Object = json.loads(service["metadata"]["annotations"].get(ANNOTATION_ROLLOUT, "{}"))
    return record


class PodRamps:
    """The scenarios, with the ledger that their users are counted by."""

    def __init__(self, bench: Bench) -> None:
        self.bench: Final = replace(bench, turns=asyncio.Semaphore(_AT_ONCE))
        self.created: Final = Scenario(create, partial(serves, revision=V1, phase="Serving"), bench.judging)
        self.promoted: Final = Scenario(self._promote, partial(serves, revision=V2, phase="Serving"), bench.judging)
        self.harmful: Final = Scenario(self._harm, partial(serves, revision=V2, phase="RolledBack"), bench.judging)

    async def serving_worlds(self, bench: Bench, count: int) -> list[World]:
        """Worlds in which the first revision serves."""
        return await prepared_worlds(bench, count, self.created)

    async def _promote(self, world: World) -> None:
        await release(world, V2)
        await self._on_step(world, pods=1, weight=20, crowd=PLEASED)
        await self._on_step(world, pods=PODS, weight=50, crowd=SILENT)

    async def _harm(self, world: World) -> None:
        await release(world, V3)
        await self._on_step(world, pods=1, weight=20, crowd=HARMED)

    async def _on_step(self, world: World, *, pods: int, weight: int, crowd: Crowd) -> None:
        """Wait until the canary has so many pods on that step; then the step's users come."""

        def holds() -> bool:
            rollout, record = world.status.get("rollout", {}), _record(world)
            is_written = all(record.get(key) == rollout.get(key) for key in ("name", "step"))
            return is_written and rollout.get("weight") == weight and len(world.objects("Pod")) == PODS + pods

        await world.wait(holds, f"{weight} % by {pods} pods")
        rollout = world.status["rollout"]
        split = Split(rollout["name"], rollout["step"], weight)
        await come(self.bench.ledger.url, f"{world.namespace}/lead", split, crowd)
