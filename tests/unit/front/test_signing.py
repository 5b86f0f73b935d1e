"""Prediction ids that are signed with the ledger's key, against a real ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bentos.front.callers import Caller
from bentos.front.ids import RANDOM_LENGTH, prediction_ids
from bentos.front.settings import Settings
from bentos.front.signing import LedgerSignedIds, SigningPage
from marquee.contract.prediction import Verifier
from marquee.ledger.access.senders import Role, Sender
from tests.support.ledger import KEY_ID, MASTER, Ledger, settings_of
from tests.support.operator import free_port

Make = Callable[..., Settings]
MODEL = "ns/fixture"
VERIFIER = Verifier({KEY_ID: MASTER}.get)


class OnlyPodsOf:
    """Stands in for the API server's reviews: whoever asks is a pod of that model."""

    def __init__(self, model: str) -> None:
        self.model = model

    async def authenticate(self, authorization: str) -> Sender:  # noqa: ARG002 - the port's signature
        """That pod."""
        return Sender("a-pod", frozenset({Role.EXPOSURES}), ("ns/*",), predictor_of=self.model)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger of the model's own pods."""
    with Ledger(settings_of(tmp_path), authenticator=OnlyPodsOf(MODEL)) as running:
        yield running


def _ids(settings: Make, url: str) -> LedgerSignedIds:
    made = prediction_ids(settings({"ledger_url": url}))
    assert isinstance(made, LedgerSignedIds)
    return made


def test_ids_are_signed_with_the_key_of_the_ledger(settings: Make, ledger: Ledger) -> None:
    """The ledger can check what a pod issues, and the pod never held a Secret."""
    ids = _ids(settings, ledger.url)
    assert ids.wait(10)
    prediction = VERIFIER.verify(ids(Caller()))
    assert prediction.model == MODEL
    assert ids.unsigned_ids == 0


def test_without_a_ledger_a_pod_serves_with_random_ids_and_counts_them(settings: Make) -> None:
    """An absent ledger keeps nobody from a prediction; the metrics page says how many ids nobody can check."""
    ids = _ids(settings, "http://127.0.0.1:9")
    assert not ids.wait(0.1)
    assert len(ids(Caller())) == RANDOM_LENGTH
    (family,) = SigningPage(ids, {"model": "fixture"}).collect()
    assert [sample.value for sample in family.samples] == [1]


def test_a_ledger_that_comes_later_is_found(settings: Make, tmp_path: Path) -> None:
    """The pod asks on, and signs from then on."""
    port = free_port()
    ids = _ids(settings, f"http://127.0.0.1:{port}")
    time.sleep(0.3)
    with Ledger(settings_of(tmp_path, http_port=port), authenticator=OnlyPodsOf(MODEL)):
        assert ids.wait(10)
    assert VERIFIER.verify(ids(Caller())).model == MODEL


@pytest.mark.parametrize("identity", ["", "ns/another"])
def test_nobody_but_the_models_own_pods_gets_its_key(tmp_path: Path, identity: str) -> None:
    """Another service account of the same namespace may report exposures, and not sign for the model."""
    with Ledger(settings_of(tmp_path), authenticator=OnlyPodsOf(identity)) as running:
        answer = httpx.get(f"{running.url}/v1/prediction-keys/{MODEL}", trust_env=False)
    assert answer.status_code == 403
    assert "own service account" in answer.json()["detail"]
    assert MASTER.hex() not in answer.text


def test_an_impossible_model_is_refused(ledger: Ledger) -> None:
    """A name that no model can have gets a problem that says so."""
    answer = httpx.get(f"{ledger.url}/v1/prediction-keys/ns/Not_A_Model", trust_env=False)
    assert answer.status_code == 400
    assert "namespace/model" in answer.json()["detail"]
