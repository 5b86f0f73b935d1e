"""One real API server for all API tests, with Marquee's CRDs, and a namespace of its own for each test."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from localcluster import ControlPlane
from marquee.api.crds import all_crds
from tests.support.apiserver import ApiServer

_ESTABLISHED_SECONDS = 20.0
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane on which Marquee's kinds are served."""
    with ControlPlane(tmp_path_factory.mktemp("plane")) as running:
        with ApiServer(running) as client:
            _install_crds(client)
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


def _install_crds(client: ApiServer) -> None:
    for crd in all_crds().values():
        answer = client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        assert answer.accepted, answer.message
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    for crd in all_crds().values():
        while not _is_served(client, crd["metadata"]["name"], crd["spec"]["names"]["plural"]):
            assert time.monotonic() < deadline, f"{crd['metadata']['name']} is not established"
            time.sleep(0.05)


def _is_served(client: ApiServer, name: str, plural: str) -> bool:
    """Established, and its paths answer: the handler follows the condition a moment later."""
    crd = client.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = crd.get("status", {}).get("conditions", ())
    established = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
    return established and client.send("GET", f"/apis/marquee.dev/v1alpha1/{plural}").accepted
