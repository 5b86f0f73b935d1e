"""The private part of BentoML that the launcher leans on, and our services on top of it."""

from __future__ import annotations

import asyncio
import inspect
import sys
import tomllib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from bentos.front import bento, process
from bentos.front.failures import CannotServeError
from bentos.front.predictor import Predictor
from bentos.front.settings import Settings
from marquee.contract.pod import FailureReason
from tests.unit.front.conftest import SCORE, VALID

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML writes to a folder of the test."""
    for name in ("BENTOML_HOME", "BENTOML_DO_NOT_TRACK", "BENTOML_CONFIG_OVERRIDES"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")  # remembered, so that it is taken back after the test
        monkeypatch.delenv(name)
    bento.prepare_environment(tmp_path / "bentoml")


@pytest.fixture
def adopted(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process serves the scorer of leads."""
    settings = Settings(
        model="fixture",
        namespace="ns",
        revision="fixture-1",
        artifact_uri=str(tmp_path),
        artifact_digest=predictor.digest,
    )
    monkeypatch.setattr(process, "_loaded", None)
    process.adopt(predictor, settings)


@pytest.mark.usefixtures("adopted")
async def test_a_service_on_demand_is_loaded_by_its_first_caller() -> None:
    """Two who ask at once wait for one load; nobody pays for it before."""
    loads: list[str] = []
    async with bento.on_demand("bentos.generic.service:GenericModel", lambda: loads.append("loaded")) as behind:
        await asyncio.sleep(0.01)
        assert loads == []
        transport = httpx.ASGITransport(behind)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            answers = await asyncio.gather(*(client.get(path) for path in ("/docs.json", "/livez")))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert loads == ["loaded"]


async def test_a_service_on_demand_that_cannot_be_loaded_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Each caller gets the error; predictions do not depend on it."""
    async with bento.on_demand("bentos.nowhere:Service", lambda: None) as behind:
        transport = httpx.ASGITransport(behind)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            for _ in range(2):
                with pytest.raises(CannotServeError, match="no BentoML service that can be loaded"):
                    await client.get("/docs.json")
    assert "bentos.nowhere" in caplog.text


async def test_a_service_that_nobody_asks_for_leaves_at_once() -> None:
    """There is nothing to end."""
    async with asyncio.timeout(20), bento.on_demand("bentos.nowhere:Service", lambda: None):
        await asyncio.sleep(0)


@pytest.fixture
async def generic(adopted: None) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001 - needed first
    """A client of the generic service, behind no front."""
    application = bento.load_application("bentos.generic.service:GenericModel")
    async with bento.running(application) as behind:
        transport = httpx.ASGITransport(behind)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            yield client


def test_bentoml_is_the_version_that_is_pinned() -> None:
    """Private API is used of exactly one version: an upgrade is a decision, with this file at hand."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (pin,) = [line for line in extras["optional-dependencies"]["front"] if line.startswith("bentoml")]
    assert pin == f"bentoml=={version('bentoml')}"


def test_what_the_launcher_uses_is_there() -> None:
    """Loader, service, application and server context still look the way the launcher uses them."""
    from _bentoml_impl.loader import load
    from _bentoml_sdk import Service
    from bentoml._internal.context import server_context

    assert {"bento_identifier", "working_dir", "standalone_load"} <= set(inspect.signature(load).parameters)
    assert "is_main" in inspect.signature(Service.to_asgi).parameters
    for name in ("service_type", "service_name", "service_routes", "bento_name", "bento_version"):
        assert hasattr(server_context, name)


def test_only_one_module_knows_private_names() -> None:
    """Everything else uses BentoML's public API."""
    private = ("_bentoml_impl", "_bentoml_sdk", "bentoml._internal")
    modules = (ROOT / "bentos").rglob("*.py")
    users = {path.name for path in modules if any(name in path.read_text(encoding="utf-8") for name in private)}
    assert users == {"bento.py"}


@pytest.mark.usefixtures("adopted")
def test_the_proxy_and_its_clients_are_left_out() -> None:
    """BentoML's reverse proxy is replaced before it is imported, and says so when somebody asks for it."""
    bento.load_application("bentos.generic.service:GenericModel")
    proxy: Any = sys.modules["_bentoml_impl.server.proxy"]
    with pytest.raises(NotImplementedError, match="the front serves classes"):
        proxy.create_proxy_app(SimpleNamespace(name="some_service"))


async def test_a_service_predicts_by_the_predictor_of_the_process(generic: httpx.AsyncClient) -> None:
    """The same request gets the same reply as from the front."""
    response = await generic.post("/predict", json={"inputs": VALID, "unit": "customer-7"})
    assert response.status_code == 200
    body = response.json()
    assert body["outputs"] == {"score": SCORE}
    assert (body["model"], body["revision"]) == ("fixture", "fixture-1")


async def test_a_service_refuses_what_the_front_refuses(generic: httpx.AsyncClient) -> None:
    """Errors of the schema are the caller's: 422 with the field, in BentoML's own form."""
    response = await generic.post("/predict", json={"inputs": VALID | {"age": 7}})
    assert response.status_code == 422
    assert "/inputs/age is too small" in response.text


async def test_an_overloaded_service_is_unavailable(generic: httpx.AsyncClient, predictor: Predictor) -> None:
    """A full queue is a 503 here too."""
    predictor._rows_in_loop, predictor._waiting = 0, 1_000
    response = await generic.post("/predict", json={"inputs": VALID})
    assert response.status_code == 503


def test_a_service_that_is_none_is_a_wrong_setting() -> None:
    """A path that leads to no service names the variable that holds it."""
    for path in ("bentos.nothing:Service", "bentos.generic.service:Nothing", "bentos.front.ids:new_prediction_id"):
        with pytest.raises(CannotServeError) as refused:
            bento.load_application(path)
        assert refused.value.reason is FailureReason.SETTINGS_INVALID
        assert refused.value.message.startswith(f"MARQUEE_SERVICE: {path}")


@pytest.mark.usefixtures("adopted")
async def test_a_service_that_cannot_start_fails_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in a service's constructor becomes the pod's reason."""
    application = bento.load_application("bentos.generic.service:GenericModel")
    monkeypatch.setattr("bentos.generic.service.ServiceView", lambda: 1 / 0)
    with pytest.raises(CannotServeError) as refused:
        async with bento.running(application):
            pass
    assert refused.value.reason is FailureReason.MODEL_LOAD_FAILED
    assert "ZeroDivisionError" in refused.value.message
