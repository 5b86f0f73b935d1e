"""One control plane with simulated pods, one process that forks operators and one event loop for all crash tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.crash.api import Api
from tests.crash.bench import Bench
from tests.crash.forking import ForkServer
from tests.crash.observatory import Observatory
from tests.crash.succession import End, Succession, succeed
from tests.support.simulation import SimulatedCluster, simulated_cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """The control plane."""
    with simulated_cluster(tmp_path_factory.mktemp("crash")) as running:
        yield running


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Where operators come from."""
    with ForkServer(tmp_path_factory.mktemp("operators")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(
    cluster: SimulatedCluster, forks: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """Everything a run needs."""
    async with Api(cluster.plane) as api, Observatory(api) as observatory:
        yield Bench(cluster, forks, tmp_path_factory.mktemp("kubeconfigs"), api, observatory)


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def successions(bench: Bench) -> AsyncIterator[asyncio.Task[dict[End, Succession]]]:
    """Leaders that fall silent, from the beginning of the session: a standby waits for a quarter of a minute."""
    task = asyncio.create_task(succeed(bench))
    yield task
    task.cancel()
    await asyncio.wait([task])
