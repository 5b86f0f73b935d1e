"""Fixtures of the clients' tests: one front and one ledger for all of them."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from bentos.front.app import Front
from bentos.front.endpoints import Endpoints
from bentos.front.ids import random_id
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import load_predictor
from bentos.front.settings import Settings as FrontSettings
from marquee.ledger.access.keys import new_key
from marquee.ledger.settings import Settings
from tests.unit.client.servers import MASTER, Rollout, ledger_of, serving
from tests.unit.front.artifacts import linear_graph, write_artifact
from tests.unit.front.conftest import LEAD, VALID, Behind

_numbers = itertools.count()


@pytest.fixture(scope="session")
def front_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The scorer of leads on a port: 1 * age + 10 * visits + 1 * income + 100 * channel + 1000 * city."""
    folder = tmp_path_factory.mktemp("front")
    graph = linear_graph([1.0, 10.0, 1.0, 100.0, 1000.0])
    digest = write_artifact(folder / "artifact", inputs=LEAD, example=VALID, files={"model.onnx": graph})
    settings = FrontSettings(
        model="fixture",
        namespace="ns",
        revision="fixture-1",
        artifact_uri=str(folder / "artifact"),
        artifact_digest=digest,
        cache_path=folder / "cache",
    )
    metrics = Metrics()
    front = Front(
        namespace="ns",
        model="fixture",
        revision="fixture-1",
        max_request_bytes=4_096,
        metrics=metrics,
        request_log=RequestLog(1.0, StringIO()),
    )
    predictor = load_predictor(settings)
    endpoints = Endpoints(
        predictor, namespace="ns", model="fixture", revision="fixture-1", metrics=metrics, new_id=random_id
    )
    front.serve(endpoints, Behind())
    with serving(front) as url:
        yield url


@pytest.fixture(scope="session")
def keys() -> dict[str, tuple[str, str]]:
    """API keys by name, each with its hash."""
    return {"shop": new_key(), "admin": new_key()}


@pytest.fixture(scope="session")
def ledger_settings(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, tuple[str, str]]) -> Settings:
    """Settings of a ledger that knows the API keys."""
    folder = tmp_path_factory.mktemp("ledger")
    (folder / "masters").mkdir()
    (folder / "masters" / "1").write_text(MASTER.hex(), encoding="ascii")
    file = {
        "keys": [
            {"name": "shop", "sha256": keys["shop"][1], "models": ["crm/*"]},
            {
                "name": "admin",
                "sha256": keys["admin"][1],
                "models": ["*"],
                "roles": ["exposures", "rollouts", "statistics"],
            },
        ]
    }
    (folder / "keys.json").write_text(json.dumps(file), encoding="ascii")
    return Settings(
        database_url=f"sqlite:///{folder / 'ledger.db'}",
        http_host="127.0.0.1",
        http_port=0,
        master_keys_path=folder / "masters",
        api_keys_path=folder / "keys.json",
        service_accounts=False,
    )


@pytest.fixture(scope="session")
def ledger_url(ledger_settings: Settings) -> Iterator[str]:
    """A real ledger on a port."""
    with ledger_of(ledger_settings) as url:
        yield url


@pytest.fixture
def rollout(ledger_url: str, keys: dict[str, tuple[str, str]]) -> Rollout:
    """A rollout that no other test uses."""
    name = f"rollout-{next(_numbers)}"
    return Rollout.declared(ledger_url, name, shop_key=keys["shop"][0], admin_key=keys["admin"][0])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of 127.0.0.1 in one file."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
        " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both
