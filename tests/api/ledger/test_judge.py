"""The judge as it is installed: a process with the chart's permissions on a real API server, asked by key."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from localcluster import ControlPlane
from marquee.contract.exposures import EXPOSURES_PATH
from marquee.contract.ledger import OUTCOMES_PATH, ROLLOUTS_PATH
from marquee.contract.pod import LEDGER_AUDIENCE
from marquee.ledger.access.keys import new_key
from marquee.ledger.access.models import KEPT_SECONDS
from tests.api.ledger.accounts import LEDGER, as_in_a_pod, install_ledger_account, make_account, token_of
from tests.support.apiserver import ApiServer, collection_of
from tests.support.judge import Controller, external
from tests.support.ledger import LedgerProcess, ledger_process, master_keys
from tests.support.operator import free_port
from tests.support.plainhttp import http_client

MODEL: Final = "recommendations"


@dataclass
class Installation:
    """A namespace with a model, and what its pods, its shop and its controller have to prove who they are."""

    server: ApiServer
    namespace: str
    folder: Path
    settings: dict[str, str]
    pod: dict[str, str]
    shop: dict[str, str]
    controller: dict[str, str]

    @property
    def path(self) -> str:
        """``namespace/name`` of the model."""
        return f"{self.namespace}/{MODEL}"

    def create(self, **changes: Any) -> None:
        """The model."""
        body = external(**changes)
        body["metadata"] = {"name": MODEL}
        answer = self.server.create(collection_of("MarketingModel", self.namespace), body)
        assert answer.accepted, answer.message

    def ledger(self) -> Any:
        """A ledger's process, on the same book each time."""
        return ledger_process(self.folder, self.settings, port=free_port())


@pytest.fixture
def installation(
    request: pytest.FixtureRequest,
    plane: ControlPlane,
    server: ApiServer,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Installation:
    """The chart's permissions, in each of its modes, and three senders."""
    namespaced = getattr(request, "param", "") == "namespaced"
    install_ledger_account(server, namespace, {"watchNamespaces": [namespace]} if namespaced else {})
    make_account(server, namespace, "web")
    account = tmp_path / "account"
    for name, value in as_in_a_pod(plane, account, token_of(server, namespace, LEDGER)).items():
        monkeypatch.setenv(name, value)
    keys = {name: new_key() for name in ("shop", "argo")}
    roles = {"shop": ["outcomes"], "argo": ["verdicts"]}
    entries = [
        {"name": name, "sha256": digest, "roles": roles[name], "models": [f"{namespace}/*"]}
        for name, (_, digest) in keys.items()
    ]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": entries}), encoding="utf-8")
    settings = {
        "database_url": f"sqlite:///{tmp_path / 'ledger.db'}",
        "master_keys_path": str(master_keys(tmp_path)),
        "service_account_path": str(account),
        "api_keys_path": str(tmp_path / "keys.json"),
    }
    pod = token_of(server, namespace, "web", LEDGER_AUDIENCE)
    tokens = {"pod": pod, "shop": keys["shop"][0], "controller": keys["argo"][0]}
    bearers = {name: {"authorization": f"Bearer {token}"} for name, token in tokens.items()}
    return Installation(server, namespace, tmp_path, settings, **bearers)


@pytest.fixture
def ledger(installation: Installation) -> Iterator[LedgerProcess]:
    """Its process."""
    with installation.ledger() as running:
        yield running


def client(ledger: LedgerProcess) -> httpx.Client:
    """Of the process."""
    return http_client(ledger.url, timeout=30)


def serve_users(http: httpx.Client, installation: Installation, *, bought: int, kept: int) -> None:
    """What a person's own pods and shop do: ask for the step, report who was seen, and later what they bought."""
    step = http.get(f"{ROLLOUTS_PATH}/{installation.path}", headers=installation.pod).json()
    arms = {"canary": (100, bought), "stable": (100 * (100 - step["weight"]) // step["weight"], kept)}
    units = {arm: [f"{arm}-{step['step']}-{number}" for number in range(count)] for arm, (count, _) in arms.items()}
    batch = {
        "batchId": secrets.token_hex(16),
        "model": installation.path,
        "exposures": [
            {"rollout": step["rollout"], "step": step["step"], "arm": arm, "units": of_arm}
            for arm, of_arm in units.items()
        ],
    }
    answer = http.post(EXPOSURES_PATH, json=batch, headers=installation.pod)
    assert answer.status_code == 200, answer.text
    outcomes = [
        {"model": installation.path, "unit": unit, "outcome": "purchase"}
        for arm, (_, successes) in arms.items()
        for unit in units[arm][:successes]
    ]
    answer = http.post(OUTCOMES_PATH, json=outcomes, headers=installation.shop)
    assert answer.json()["counted"] == len(outcomes), answer.text


@pytest.mark.parametrize("installation", ["cluster-wide", "namespaced"], indirect=True)
def test_rollout_of_somebody_elses_pods_is_judged(installation: Installation, ledger: LedgerProcess) -> None:
    """From the model on the API server to the last yes, with nothing of Marquee but its ledger."""
    installation.create()
    with client(ledger) as http:
        controller = Controller(http, installation.path, installation.controller)
        for step, kept in enumerate((400, 60, 20)):
            assert controller.post(rollout="r1", step=str(step)).json()["verdict"] == "Hold"
            serve_users(http, installation, bought=60, kept=kept)
            assert controller.post(rollout="r1", step=str(step)).json()["verdict"] == "Promote"
        assert controller.get().json()["result"] == "Promoted"
        assert http.get(f"{ROLLOUTS_PATH}/{installation.path}", headers=installation.pod).status_code == 404


def test_killed_ledger_goes_on_where_it_was(installation: Installation) -> None:
    """SIGKILL after a yes whose answer was lost: the next process gives the same yes, and harm that follows counts."""
    installation.create()
    with installation.ledger() as first, client(first) as http:
        controller = Controller(http, installation.path, installation.controller)
        controller.begin()
        controller.flagger("Promote")
        serve_users(http, installation, bought=60, kept=400)
        given = controller.flagger("Promote").json()
        first.kill()
    with installation.ledger() as second, client(second) as http:
        controller = Controller(http, installation.path, installation.controller)
        assert controller.post(rollout="aaaa", step="0", verdict="Promote").json() == given
        serve_users(http, installation, bought=0, kept=300)
        told = controller.flagger("Rollback")
        assert (told.status_code, told.json()["verdict"]) == (200, "Rollback")


def test_missing_model_and_model_of_marquee_are_told(installation: Installation, ledger: LedgerProcess) -> None:
    """By what the API server says."""
    with client(ledger) as http:
        controller = Controller(http, installation.path, installation.controller)
        missing = controller.flagger("Promote")
        assert (missing.status_code, missing.json()["type"]) == (404, "urn:marquee:problem:model-unknown")
        foreign = Controller(http, f"elsewhere/{MODEL}", installation.controller).flagger("Promote")
        assert foreign.status_code == 403


def test_ledger_that_may_not_read_models_says_so(
    installation: Installation, ledger: LedgerProcess, server: ApiServer
) -> None:
    """Without the chart's rule nothing can begin, and the words name the verb."""
    installation.create()
    make_account(server, installation.namespace, "poor")
    token = token_of(server, installation.namespace, "poor")
    (installation.folder / "account" / "token").write_text(token, encoding="ascii")
    with client(ledger) as http:
        answer = Controller(http, installation.path, installation.controller).flagger("Promote")
        assert answer.status_code == 503
        assert "answered 403" in answer.json()["detail"]
        assert "needs the verb get on marketingmodels" in answer.json()["detail"]


def test_spec_that_changes_half_way_does_not_change_the_rollout(
    installation: Installation, ledger: LedgerProcess
) -> None:
    """The rollout under way keeps its policy; the next one takes the new."""
    installation.create()
    with client(ledger) as http:
        controller = Controller(http, installation.path, installation.controller)
        controller.flagger("Promote")
        path = f"{collection_of('MarketingModel', installation.namespace)}/{MODEL}"
        body = installation.server.send("GET", path).body
        body["spec"]["rollout"]["steps"] = [{"weight": 50}]
        assert installation.server.send("PUT", path, body).accepted
        assert controller.get().json()["steps"] == 3
        time.sleep(KEPT_SECONDS + 1)  # longer than the ledger keeps what it has read
        told = controller.begin("bbbb").json()
        assert (told["steps"], told["policy"]["steps"][0]["weight"]) == (1, 50)
