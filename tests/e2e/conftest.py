"""One local cluster with the chart installed; a namespace of its own for each test."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.canary import provide_api_key
from demo.images import Images, provide_images
from demo.story import SYSTEM, install
from demo.target import Target
from localcluster import Cluster, keda
from localcluster.gateway import Gateway
from localcluster.stages import Stages
from tests.e2e.turns import ALONE, once, rank, turn
from tests.support.place import Place, fresh_place
from tests.support.ramp import Ramp
from tests.support.reading import reading


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Each test in its turn, with all that it sets up and tears down."""
    with turn(alone=item.get_closest_marker(ALONE) is not None):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of their ranks."""
    items.sort(key=rank)


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The local cluster, whatever ``$KUBECONFIG`` says: tests that break things stay at home."""
    with reading(Cluster.up(stages=Stages())) as target:
        yield target


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
def chart(request: pytest.FixtureRequest, target: Target, run_folder: Path) -> dict[str, Any]:
    """Values of the chart, KEDA's among them where a test of this run scales by it: no test has to install it anew."""
    if not any("scaled" in getattr(item, "fixturenames", ()) for item in request.session.items):
        return {}
    assert target.local is not None
    with once(run_folder, "keda") as first:
        if first:
            target.local.keda(Stages())
    return {"keda": {"namespace": keda.NAMESPACE}}


@pytest.fixture(scope="session")
def operator(target: Target, images: Images, chart: dict[str, Any], run_folder: Path) -> Target:
    """The cluster with the chart installed from this tree."""
    with once(run_folder, "operator") as first:
        if first:
            provide_api_key(target, SYSTEM)
            install(target, images, Stages(), **chart)
    return target


@pytest.fixture(scope="session")
def serving(operator: Target) -> Iterator[Place]:
    """A namespace whose model serves all through the run; nobody changes it."""
    with fresh_place(operator, "serving") as place:
        place.serve("lead", bias=1.0)
        yield place


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


@pytest.fixture(scope="module")
def ramp(operator: Target, gateway: Gateway) -> Iterator[Ramp]:
    """A model behind the gateway; each test of a module goes on from the revision that the one before has left."""
    with fresh_place(operator, "ramp") as place:
        made = Ramp(place, gateway)
        made.serve()
        yield made
