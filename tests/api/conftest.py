"""One real API server for all API tests, with Marquee's CRDs, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from localcluster import ControlPlane
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import install_crds

_numbers = itertools.count(1)


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
