"""Rollouts by steps in the runs: what people and users do, and the worlds that it begins in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from marquee.contract.command import ANNOTATION_COMMAND, Action, Command
from tests.crash.bench import Bench
from tests.crash.gateway import PARENT
from tests.crash.runs import Scenario
from tests.crash.scenarios import V1, V2, prepared_worlds
from tests.crash.users import HARMED, OUTCOME, PLEASED, SILENT, USERS, Crowd, come
from tests.crash.world import World
from tests.support import samples

V3: Final = "lead-v3"
STEPS: Final = [{"weight": weight, "minExposures": USERS // 10} for weight in (20, 50)]
OTHER_STEPS: Final = [{"weight": 30}, {"weight": 60}]
ROLLOUT: Final[dict[str, Any]] = {
    "drainSeconds": 0,
    "steps": STEPS,
    "analysis": {"primary": {"outcome": OUTCOME, "margin": 0.1}},
}
_RAMP: Final[dict[str, Any]] = {"traffic": {"gateway": PARENT}, "rollout": ROLLOUT}


async def create(world: World) -> None:
    """A revision, and a model behind the gateway that pins it."""
    await publish(world, V1)
    await world.create(samples.model("lead", revision=V1, **_RAMP))


async def release(world: World, revision: str) -> None:
    """Another revision, which the model pins from now on."""
    await publish(world, revision)
    await world.change_model({"revision": {"name": revision}})


async def abort(world: World) -> None:
    """A person's word."""
    command = Command(action=Action.ABORT, rollout=world.status["rollout"]["name"], by="ana")
    await world.annotate_model(**{ANNOTATION_COMMAND: command.to_text()})


async def change_the_plan(world: World) -> None:
    """Other weights for the revision that is on its first step."""
    await world.change_model({"rollout": {"steps": OTHER_STEPS}})


async def ends_serving(world: World, revision: str) -> None:
    """Wait until a revision answers everybody, and nothing of another is left."""
    await world.settles(revision, pods=1)
    await world.wait(lambda: _is_alone(world, revision), f"{revision} is alone")


async def ends_taken_back(world: World) -> None:
    """Wait until stable answers everybody, and nothing of the canary is left."""

    def holds() -> bool:
        return world.status.get("phase") == "RolledBack" and _is_alone(world, V1)

    await world.wait(holds, f"{V1} is alone")


async def ends_on_a_step(world: World, revision: str, weight: int) -> None:
    """Wait until a revision has that weight, waits for its first users, and nobody is there but stable and it."""

    def holds() -> bool:
        rollout = world.status.get("rollout", {})
        is_on_it = (rollout.get("revision"), rollout.get("weight"), world.reason()) == (revision, weight, "NoData")
        return is_on_it and world.names("Deployment") == [V1, revision] and len(world.objects("Pod")) == 2

    await world.wait(holds, f"{revision} is on a step of {weight} %")


def _is_alone(world: World, revision: str) -> bool:
    return (
        world.names("Deployment") == [revision]
        and world.names("Service") == ["lead", revision]
        and len(world.objects("Pod")) == 1
        and world.split is None
    )


async def publish(world: World, revision: str) -> None:
    """Another revision of the model."""
    digest = "sha256:" + 64 * revision[-1]
    await world.create(samples.revision(revision, of="lead", uri=f"s3://models/{revision}", digest=digest))


class Ramps:
    """The scenarios, with the ledger that their users are counted by."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.created: Final = self._scenario(create, partial(ends_serving, revision=V1))
        self.begun: Final = self._scenario(self._begin, partial(ends_on_a_step, revision=V2, weight=20))
        self.begins: Final = partial(release, revision=V2)
        self.promoted: Final = self._scenario(self._promote, partial(ends_serving, revision=V2))
        self.harmful: Final = self._scenario(partial(self._on_step, weight=20, crowd=HARMED), ends_taken_back)
        self.aborted: Final = self._scenario(abort, ends_taken_back)
        self.superseded: Final = self._scenario(
            partial(release, revision=V3), partial(ends_on_a_step, revision=V3, weight=20)
        )
        self.replanned: Final = self._scenario(change_the_plan, partial(ends_on_a_step, revision=V2, weight=30))

    async def serving_worlds(self, bench: Bench, count: int) -> list[World]:
        """Worlds in which the first revision serves."""
        return await prepared_worlds(bench, count, self.created)

    async def ramped_worlds(self, bench: Bench, count: int) -> list[World]:
        """Worlds in which the second revision is on its first step."""
        return await prepared_worlds(bench, count, self.begun)

    async def _begin(self, world: World) -> None:
        await create(world)
        await self.created.settled(world)
        await release(world, V2)

    async def _promote(self, world: World) -> None:
        await release(world, V2)
        await self._on_step(world, weight=20, crowd=PLEASED)
        await self._on_step(world, weight=50, crowd=SILENT)

    async def _on_step(self, world: World, *, weight: int, crowd: Crowd) -> None:
        """Wait until the canary has that weight; then the step's users come."""
        await world.wait(lambda: world.split is not None and world.split.weight == weight, f"{weight} %")
        split = world.split
        assert split is not None
        await come(self._bench.ledger.url, f"{world.namespace}/lead", split, crowd)

    def _scenario(
        self, provoke: Callable[[World], Awaitable[None]], settled: Callable[[World], Awaitable[None]]
    ) -> Scenario:
        return Scenario(provoke, settled, self._bench.judging)
