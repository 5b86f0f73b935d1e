"""Privacy from end to end: a whole pod and a real ledger, from the consent token to the erasure and what follows."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from marquee.audit.events import SubjectErased
from marquee.audit.statements import read_entry
from marquee.client import ModelClient
from marquee.contract.assignment import unit_hash
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH
from marquee.contract.privacy import ERASURES_PATH, PREDICTION_LOG_PATH
from marquee.ledger.access.models import Models
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.unit.front.artifacts import write_artifact
from tests.unit.front.pods import Pod
from tests.unit.front.privacy.tokens import MODEL, UNIT, keys_in, token

INPUTS: Final = {"f0": 1.0, "f1": 2.0}
OTHER: Final = "customer-2"
PRIVACY: Final = {
    "purposes": ["profiling"],
    "byToken": True,
    "withheldAnswer": {"score": 0.5},
    "logPermille": 1000,
    "logInputs": ["f1"],
    "logRetentionDays": 365,
}
WAIT_SECONDS: Final = 60.0


class OneModel(Models):
    """A cluster with the pod's model: the ledger is asked about it before it has a decision."""

    def __init__(self) -> None:
        super().__init__(None)

    async def read(self, path: str) -> dict[str, Any] | None:
        """The model, without what the ledger does not look at."""
        return {"spec": {}} if path == MODEL else None


def a_pod(folder: Path, ledger: Ledger, name: str) -> Pod:
    """A container of the same pod: spool and artifact stay."""
    own = folder / name
    own.mkdir()
    digest = write_artifact(folder / "artifact")
    return Pod(
        own,
        folder / "artifact",
        digest,
        privacy=json.dumps(PRIVACY),
        purpose_keys_path=str(keys_in(folder / "keys")),
        ledger_url=ledger.url,
        spool_path=str(folder / "spool"),
    )


def client_of(pod: Pod) -> ModelClient:
    """Of the pod, once it is ready."""
    return ModelClient(MODEL, f"http://127.0.0.1:{pod.wait_until_ready().port}", timeout_seconds=WAIT_SECONDS)


def kept(http: httpx.Client, unit: str) -> dict[str, Any]:
    """All that the ledger has of somebody."""
    answer = http.get(f"{PREDICTION_LOG_PATH}/{MODEL}", params={"unit": unit})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def consents(unit: str) -> str:
    """A token of that subject."""
    return token(sub=unit_hash(MODEL, unit).hex())


def test_from_consent_to_erasure(tmp_path: Path) -> None:
    """Who consents is predicted and kept, with the inputs that are allowed; erased, nothing is kept, and the next
    process answers as to everybody; the log says so without a name, and others' decisions stay."""
    with (
        Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path)), models=OneModel()) as ledger,
        httpx.Client(base_url=ledger.url, trust_env=False, timeout=WAIT_SECONDS) as http,
    ):
        with a_pod(tmp_path, ledger, "first") as pod, client_of(pod) as client:
            given = client.predict(INPUTS, UNIT, purpose_token=consents(UNIT))
            without = client.predict({}, UNIT)
            client.predict(INPUTS, OTHER, purpose_token=consents(OTHER))
            assert (given.withheld, without.withheld, without.outputs) == ("", "consent", {"score": 0.5})
            until(lambda: kept(http, UNIT)["decisions"] and kept(http, OTHER)["decisions"])
        (decision,) = kept(http, UNIT)["decisions"]
        assert (decision["inputs"], decision["outputs"]) == ({"f1": 2.0}, given.outputs)
        assert decision["revision"] == "fixture-1"
        answer = http.post(ERASURES_PATH, json={"unit": UNIT, "model": MODEL})
        (erased,) = answer.json()["erased"]
        assert (erased["decisions"], erased["index"]) == (1, 0)
        found = kept(http, UNIT)
        assert (found["decisions"], found["suppressed"]) == ([], True)
        with a_pod(tmp_path, ledger, "second") as pod, client_of(pod) as client:
            withheld = client.predict(INPUTS, UNIT, purpose_token=consents(UNIT))
            again = client.predict(INPUTS, OTHER, purpose_token=consents(OTHER))
            assert (withheld.withheld, withheld.outputs) == ("suppressed", {"score": 0.5})
            assert again.outputs == given.outputs
            until(lambda: len(kept(http, OTHER)["decisions"]) == 2)
        assert kept(http, UNIT)["decisions"] == []
        (entry,) = http.get(AUDIT_ENTRIES_PATH, params={"from": 0}).json()["entries"]
    raw = base64.b64decode(entry["entry"])
    event = read_entry(raw).event
    assert isinstance(event, SubjectErased)
    assert (event.concerned, event.commitment) == (MODEL, erased["commitment"])
    assert unit_hash(MODEL, UNIT).hex() not in str(read_entry(raw))
