"""One local cluster with the chart installed; a namespace of its own for each test."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from demo.canary import provide_api_key
from demo.images import Images, provide_images
from demo.story import SYSTEM, install
from demo.target import Target
from localcluster import Cluster
from localcluster.gateway import Gateway
from localcluster.stages import Stages
from tests.e2e.turns import ALONE, once, rank, turn
from tests.support.place import Place, fresh_place


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Each test in its turn, with all that it sets up and tears down."""
    with turn(alone=item.get_closest_marker(ALONE) is not None):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of their ranks."""
    items.sort(key=rank)


@pytest.fixture(scope="session")
def target() -> Target:
    """The local cluster, whatever ``$KUBECONFIG`` says: tests that break things stay at home."""
    cluster = Cluster.up(stages=Stages())
    return Target(kubeconfig=cluster.kubeconfig, program=cluster.program, local=cluster)


@pytest.fixture(scope="session")
def run_folder(worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder if worker_id == "master" else folder.parent


@pytest.fixture(scope="session")
def images(target: Target, run_folder: Path) -> Images:
    """Built from this tree."""
    with once(run_folder, "images"):
        return provide_images(target, Stages())


@pytest.fixture(scope="session")
def operator(target: Target, images: Images, run_folder: Path) -> Target:
    """The cluster with the chart installed from this tree."""
    with once(run_folder, "operator") as first:
        if first:
            provide_api_key(target, SYSTEM)
            install(target, images, Stages())
    return target


@pytest.fixture(scope="session")
def gateway(target: Target) -> Gateway:
    """The local cluster's Gateway."""
    assert target.local is not None
    return target.local.gateway(Stages())


@pytest.fixture
def place(operator: Target) -> Iterator[Place]:
    """A fresh namespace that admits only restricted pods."""
    with fresh_place(operator, "e2e") as place:
        yield place
