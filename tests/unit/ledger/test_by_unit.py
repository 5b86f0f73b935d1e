"""Exposures as JSON and outcomes by unit: what other people's pods send, without hashing or signing anything."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest

from marquee.contract.cohort import Arm
from marquee.contract.exposures import EXPOSURES_PATH, MAX_UNITS
from marquee.contract.ledger import MAX_UNIT_LENGTH, OUTCOMES_PATH
from tests.support.ledger import Sender

BUY = {"outcome": "buy"}
SPEND = {"outcome": "spend", "kind": "Mean", "decimals": 0, "cap": 1_000}


def seen(sender: Sender, *cohorts: dict[str, Any], batch_id: str = "") -> httpx.Response:
    body = {"batchId": batch_id or secrets.token_hex(16), "model": sender.model, "exposures": list(cohorts)}
    return sender.http.post(EXPOSURES_PATH, json=body)


def cohort(arm: str, *units: str, step: int = 0) -> dict[str, Any]:
    return {"rollout": "r", "step": step, "arm": arm, "units": list(units)}


def happened(sender: Sender, unit: str, outcome: str = "buy", **more: Any) -> httpx.Response:
    return sender.http.post(OUTCOMES_PATH, json={"model": sender.model, "unit": unit, "outcome": outcome, **more})


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


def test_same_units_by_json_and_by_bytes_are_the_same(sender: Sender) -> None:
    """The ledger hashes as predictors do: a unit that both report counts once."""
    assert seen(sender, cohort("stable", "ann", "bob"), cohort("canary", "cid")).status_code == 200
    sender.expose(sender.batch(["ann", "dan"], arm=Arm.STABLE))
    counted = {place: row["exposures"] for place, row in sender.cohorts().items()}
    assert counted == {(0, "stable"): 3, (0, "canary"): 1}


def test_repeated_batch_counts_once(sender: Sender) -> None:
    """By its id, as every batch; with other content it is a conflict."""
    batch_id = secrets.token_hex(16)
    for duplicate in (False, True):
        answer = seen(sender, cohort("canary", "ann"), batch_id=batch_id)
        assert answer.json() == {"batchId": batch_id, "duplicate": duplicate}
    assert kind_of(seen(sender, cohort("canary", "bob"), batch_id=batch_id)) == "batch-reused"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"arm": "blue"}, "exposures.0.arm: Input should be 'stable' or 'canary'"),
        ({"step": -1}, "exposures.0.step: Input should be greater than or equal to 0"),
        ({"rollout": "R"}, "exposures.0.rollout: String should match"),
        ({"units": []}, "exposures.0.units: Tuple should have at least 1 item"),
        ({"units": [""]}, "exposures.0.units.0: String should have at least 1 character"),
        ({"units": ["u" * (MAX_UNIT_LENGTH + 1)]}, "exposures.0.units.0: String should have at most"),
        ({"units": [7]}, "exposures.0.units.0: Input should be a valid string"),
        ({"revision": "r1"}, "exposures.0.revision: Extra inputs are not permitted"),
    ],
)
def test_impossible_exposures_are_refused(change: dict[str, Any], detail: str, sender: Sender) -> None:
    """422, with the place of the first fault; nothing of the batch is counted."""
    answer = seen(sender, cohort("canary", "ann") | change)
    assert (answer.status_code, kind_of(answer)) == (422, "invalid-input")
    assert detail in answer.json()["detail"]


def test_too_many_units_are_refused(sender: Sender) -> None:
    """The same bound as for bytes."""
    answer = seen(sender, cohort("canary", *map(str, range(MAX_UNITS + 1))))
    assert (answer.status_code, kind_of(answer)) == (400, "malformed-batch")


def test_outcome_is_credited_by_its_unit(sender: Sender) -> None:
    """To the arm of the unit's first exposure, once for each unit; before the exposure it waits."""
    sender.declare(BUY)
    assert happened(sender, "ann", rollout="r").json()["pending"] == 1
    seen(sender, cohort("canary", "ann"), cohort("stable", "bob"))
    assert happened(sender, "bob", rollout="r").json()["counted"] == 1
    assert happened(sender, "bob", rollout="r").json()["duplicate"] == 1
    found = {place: row["outcomes"]["buy"]["successes"] for place, row in sender.cohorts().items()}
    assert found == {(0, "canary"): 1, (0, "stable"): 1}


def test_values_add_up_by_their_ids(sender: Sender) -> None:
    """Two orders of a unit count both, and each once however often it is reported."""
    sender.declare(SPEND)
    seen(sender, cohort("canary", "ann"))
    for order in ("4711", "4712", "4711"):
        happened(sender, "ann", "spend", rollout="r", value=30, id=order)
    assert sender.cohorts()[0, "canary"]["outcomes"]["spend"]["sum"] == "60"


def test_outcome_of_no_rollout_is_refused(sender: Sender) -> None:
    """Without a name it is for the rollout under way, and there is none."""
    answer = happened(sender, "ann")
    assert (answer.status_code, kind_of(answer)) == (400, "no-rollout")
    assert f"no rollout of {sender.model} is under way" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"model": "lead"}, "malformed"),
        ({"unit": ""}, "malformed"),
        ({"id": "i" * 257}, "malformed"),
        ({"time": "2026-01-01T00:00:00Z"}, "malformed"),
        ({"value": 2}, "value-invalid"),
        ({"value": -1}, "value-invalid"),
        ({"outcome": "other"}, "outcome-unknown"),
        ({"rollout": "none"}, "rollout-unknown"),
    ],
)
def test_impossible_outcome_is_refused(change: dict[str, Any], kind: str, sender: Sender) -> None:
    """As those with prediction ids are."""
    sender.declare(BUY)
    answer = sender.http.post(
        OUTCOMES_PATH, json={"model": sender.model, "rollout": "r", "unit": "ann", "outcome": "buy"} | change
    )
    assert (answer.status_code, kind_of(answer)) == (400, kind)
