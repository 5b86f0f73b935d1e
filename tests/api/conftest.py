"""One real API server for all API tests, with Marquee's CRDs, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from localcluster import ControlPlane
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import install_crds

_numbers = itertools.count(1)


class _ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one API server stay in one process: starting it again costs more than a second process saves."""

    def _split_scope(self, nodeid: str) -> str:
        if not nodeid.startswith("tests/api/"):
            return str(super()._split_scope(nodeid))
        return "operator" if nodeid.startswith("tests/api/operator/") else "server"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByServer:
    """Where several processes run these tests."""
    return _ByServer(config, log)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane on which Marquee's kinds are served."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        with ApiServer(running) as client:
            install_crds(client)
        yield running


@pytest.fixture(scope="session")
def server(plane: ControlPlane) -> Iterator[ApiServer]:
    """The administrator's client."""
    with ApiServer(plane) as client:
        yield client


@pytest.fixture
def namespace(server: ApiServer) -> str:
    """A new, empty namespace; it goes with the control plane."""
    name = f"test-{next(_numbers)}"
    answer = server.create("/api/v1/namespaces", {"metadata": {"name": name}})
    assert answer.accepted, answer.message
    return name
