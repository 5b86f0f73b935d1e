"""One control plane with simulated pods and one operator for all tests here, and a namespace for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.operator.team import Team
from tests.support.apiserver import ApiServer
from tests.support.operator import OperatorProcess
from tests.support.simulation import SimulatedCluster, simulated_cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """The control plane."""
    with simulated_cluster(tmp_path_factory.mktemp("operator")) as running:
        yield running


@pytest.fixture(scope="session")
def operator(cluster: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator of the whole cluster; what it logs as an error or raises unexpectedly fails the session."""
    log = tmp_path_factory.mktemp("log") / "operator.log"
    with OperatorProcess(cluster.plane.kubeconfig, log) as running:
        yield running
    unexpected = [line for line in log.read_text().splitlines() if "Traceback" in line or '"level": "error"' in line]
    assert unexpected == []


@pytest.fixture
def team(cluster: SimulatedCluster, operator: OperatorProcess) -> Team:  # noqa: ARG001 - it must run
    """A new namespace, and the people who work in it."""
    return new_team(cluster)


@pytest.fixture(scope="module")
def shared_team(cluster: SimulatedCluster, operator: OperatorProcess) -> Team:  # noqa: ARG001 - it must run
    """A namespace for all tests of a module: what takes long begins for all of them at once."""
    return new_team(cluster)


@pytest.fixture(scope="session", autouse=True)
def slow(cluster: SimulatedCluster, operator: OperatorProcess) -> Team:  # noqa: ARG001 - it must run
    """A model whose pods never come up, from the beginning of the session: its deadline takes at least 10 s."""
    team = new_team(cluster)
    team.revision("lead-v1")
    team.model("lead", "lead-v1", **team.held(rollout={"progressDeadlineSeconds": 10}))
    return team


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """A control plane for operators with settings of their own, each of which looks after its test's namespace."""
    with simulated_cluster(tmp_path_factory.mktemp("elsewhere")) as running:
        yield running


def operator_of(team: Team, folder: Path, **settings: str) -> OperatorProcess:
    """An operator of this team alone, with these settings."""
    own = {"watch_namespaces": team.namespace, "lease_name": team.namespace} | settings
    return OperatorProcess(team.cluster.plane.kubeconfig, folder / "operator.log", **own)


def new_team(cluster: SimulatedCluster) -> Team:
    """A namespace of its own."""
    name = f"team-{next(_numbers)}"
    answer = cluster.server.create("/api/v1/namespaces", {"metadata": {"name": name}})
    assert answer.accepted, answer.message
    return Team(cluster, name)


@pytest.fixture
def other_namespace(server: ApiServer) -> str:
    """A second namespace of the control plane without controllers."""
    return _namespace_of(server)


@pytest.fixture
def third_namespace(server: ApiServer) -> str:
    """A third one."""
    return _namespace_of(server)


def _namespace_of(server: ApiServer) -> str:
    name = f"other-{next(_numbers)}"
    answer = server.create("/api/v1/namespaces", {"metadata": {"name": name}})
    assert answer.accepted, answer.message
    return name
