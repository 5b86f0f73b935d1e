"""One round of the suite: floor and operator on fresh control planes, then what a converged operator costs."""

from __future__ import annotations

from dataclasses import dataclass

from localcluster.stages import Stages
from tests.bench.control.auditing import Requests
from tests.bench.control.converged import requests_of_restart, requests_of_resync, update_seconds
from tests.bench.control.creating import Creation, create_floor, create_models
from tests.bench.control.operating import running_operator
from tests.bench.control.plane import running_plane


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    small: int
    large: int
    changes: int


@dataclass(frozen=True)
class Standing:
    """The large set of models, converged."""

    creation: Creation
    rss_megabytes: float
    peak_megabytes: float
    update_seconds: float
    restart: Requests
    upgrade: Requests
    resync: Requests


@dataclass(frozen=True)
class Round:
    """Everything measured once."""

    small_floor: Creation
    small: Creation
    large_floor: Creation
    standing: Standing

    def metrics(self) -> dict[str, float]:
        """By the keys of the report."""
        small, floor, standing = self.small, self.small_floor, self.standing
        return {
            "ready_200_over_floor": small.seconds / floor.seconds,
            "ready_1000_over_floor": standing.creation.seconds / self.large_floor.seconds,
            "cpu_ms_per_model": 1e3 * small.operator_cpu_seconds / small.count,
            "writes_per_model": small.requests.writes / small.count,
            "reads_per_model": small.requests.reads / small.count,
            "apiserver_cpu_ms_per_model": 1e3 * small.api_server_cpu_seconds / small.count,
            "resync_writes": standing.resync.writes,
            "restart_writes": standing.restart.writes,
            "upgrade_writes": standing.upgrade.writes,
            "update_one_seconds": standing.update_seconds,
            "rss_mb_1000": standing.rss_megabytes,
            "ready_200_seconds": small.seconds,
            "floor_200_seconds": floor.seconds,
            "ready_1000_seconds": standing.creation.seconds,
            "floor_1000_seconds": self.large_floor.seconds,
            "children_per_model": floor.requests.writes / floor.count,
            "floor_apiserver_cpu_ms_per_model": 1e3 * floor.api_server_cpu_seconds / floor.count,
            "cpu_ms_per_model_1000": 1e3 * standing.creation.operator_cpu_seconds / standing.creation.count,
            "rss_peak_mb_1000": standing.peak_megabytes,
        }


async def run_round(sizes: Sizes, stages: Stages) -> Round:
    """Floor before operator for each size, each on a control plane that has seen nothing yet."""
    small_floor = await _floor(sizes.small, stages)
    async with running_plane() as plane, running_operator(plane) as operator:
        small = await create_models(plane, operator, sizes.small)
    _tell(stages, "operator", small)
    large_floor = await _floor(sizes.large, stages)
    return Round(small_floor, small, large_floor, await _standing(sizes, stages))


async def _floor(count: int, stages: Stages) -> Creation:
    async with running_plane() as plane:
        creation = await create_floor(plane, count)
    _tell(stages, "floor", creation)
    return creation


async def _standing(sizes: Sizes, stages: Stages) -> Standing:
    async with running_plane() as plane:
        async with running_operator(plane) as operator:
            creation = await create_models(plane, operator, sizes.large)
            _tell(stages, "operator", creation)
            rss, peak = operator.megabytes("VmRSS"), operator.megabytes("VmHWM")
            update = await update_seconds(plane, sizes.changes)
            stages.say(f"one of {sizes.large} changed: its Deployment after {update:.3f} s")
        restart = await requests_of_restart(plane, sizes.large)
        stages.say(f"restart: {restart.writes} writes ({restart.told()})")
        upgrade = await requests_of_restart(plane, sizes.large, predictor_image="marquee/predictor:next")
        stages.say(f"upgrade: {upgrade.writes} writes ({upgrade.told()})")
        resync = await requests_of_resync(plane, sizes.large)
        stages.say(f"resync: {resync.writes} writes ({resync.told()})")
    return Standing(creation, rss, peak, update, restart, upgrade, resync)


def _tell(stages: Stages, who: str, creation: Creation) -> None:
    count = creation.count
    stages.say(
        f"{who}: {count} ready in {creation.seconds:.1f} s; CPU per model: operator "
        f"{1e3 * creation.operator_cpu_seconds / count:.1f} ms, API server "
        f"{1e3 * creation.api_server_cpu_seconds / count:.0f} ms; {creation.requests.told()}"
    )
