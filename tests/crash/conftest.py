"""One control plane with simulated pods and one process that forks operators, for all crash tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.crash.api import Api
from tests.crash.forking import ForkServer
from tests.crash.observatory import Observatory
from tests.crash.runs import Bench
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


@pytest.fixture
async def bench(cluster: SimulatedCluster, forks: ForkServer, tmp_path: Path) -> AsyncIterator[Bench]:
    """Everything a run needs."""
    async with Api(cluster.plane) as api, Observatory(api) as observatory:
        yield Bench(cluster, forks, tmp_path, api, observatory)
