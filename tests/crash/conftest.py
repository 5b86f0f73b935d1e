"""One control plane with simulated pods and a gateway, one ledger, one process that forks operators, one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from localcluster import gateway, trainer
from tests.crash.api import Api
from tests.crash.bench import Bench
from tests.crash.forking import ForkServer
from tests.crash.gateway import Gateway
from tests.crash.observatory import Observatory
from tests.support.crds.installing import kinds_of
from tests.support.kinds import ROOTS
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.simulation import SimulatedCluster, simulated_cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins: no process is left with it when the others are done."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """The control plane, on which routes and TrainJobs are served too."""
    published = kinds_of(gateway.crds, trainer.crds)
    looked_at = [kind for kind in published if kind["spec"]["names"]["kind"] in ROOTS]
    with simulated_cluster(tmp_path_factory.mktemp("crash"), looked_at) as running:
        yield running


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Where operators come from."""
    with ForkServer(tmp_path_factory.mktemp("operators")) as server:
        yield server


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The book of all rollouts, and the log of all decisions."""
    folder = tmp_path_factory.mktemp("ledger")
    with Ledger(settings_of(folder, **keeping_a_log(folder))) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(
    cluster: SimulatedCluster, forks: ForkServer, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    """Everything a run needs."""
    async with Api(cluster.plane) as api, Gateway(api) as gateway, Observatory(api, gateway.look) as observatory:
        yield Bench(cluster, forks, tmp_path_factory.mktemp("kubeconfigs"), api, observatory, ledger)
