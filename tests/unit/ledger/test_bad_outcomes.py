"""Outcomes that cannot be taken: each gets 400 with a reason, and nothing is counted."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.ledger import MAX_OUTCOMES, OUTCOMES_PATH
from marquee.contract.prediction import Issuer, derive_secret
from marquee.ledger.intake import MAX_AGE_SECONDS
from tests.support.ledger import KEY_ID, MASTER, Sender

BUY = {"outcome": "buy"}
SPEND = {"outcome": "spend", "kind": "Mean", "cap": 100}
DAY = 86_400


def kind_of(answer: Any) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


@pytest.fixture
def shop(sender: Sender) -> Sender:
    """A sender whose model has one exposed unit and two outcomes."""
    assert sender.declare(BUY, SPEND).status_code == 201
    assert sender.expose(sender.batch(["ann"])).status_code == 200
    return sender


def altered(text: str, position: int) -> str:
    other = "A" if text[position] != "A" else "B"
    return text[:position] + other + text[position + 1 :]


@pytest.mark.parametrize("position", [0, 1, 5, 14, 27, 30, 60, -10])
def test_altered_prediction_id_is_refused(shop: Sender, position: int) -> None:
    """No character of a prediction id can be changed: not the key, time, unit, cohort, model or signature."""
    answer = shop.report({"predictionId": altered(shop.predict("ann"), position), **BUY})
    assert (answer.status_code, kind_of(answer)) == (400, "prediction-id-invalid")
    assert "prediction id" in answer.json()["detail"]
    assert shop.cohorts()[0, "canary"]["outcomes"]["buy"]["successes"] == 0


def test_forged_prediction_id_is_refused(shop: Sender) -> None:
    """An id that is signed with a secret of somebody's own is refused."""
    forger = Issuer(key_id=KEY_ID, secret=b"guess" * 8, model=shop.model, revision="r1")
    forged = forger.issue(Cohort("r", 0, Arm.CANARY), unit_hash(shop.model, "ann"), round(time.time() * 1e3))
    answer = shop.report({"predictionId": forged, **BUY})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "the prediction id is forged or was altered: its signature does not match"


def test_key_of_one_model_signs_for_no_other(shop: Sender) -> None:
    """A predictor that is taken over can forge ids of its own model alone."""
    stolen = Issuer(key_id=KEY_ID, secret=derive_secret(MASTER, "growth/other"), model=shop.model, revision="r1")
    forged = stolen.issue(Cohort("r", 0, Arm.CANARY), unit_hash(shop.model, "ann"), round(time.time() * 1e3))
    assert kind_of(shop.report({"predictionId": forged, **BUY})) == "prediction-id-invalid"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1e300, "value: must be at most 1e+12"),
        (-1e300, "value: must not be negative; report refunds as an outcome of their own"),
        (-0.01, "value: must not be negative"),
        (1.0000001e12, "value: must be at most"),
        ("NaN", "value: must be a finite number"),
        ("Infinity", "value: must be a finite number"),
        ("-Infinity", "value: must be a finite number"),
    ],
)
def test_impossible_value_is_refused(shop: Sender, value: float | str, why: str) -> None:
    """No number that could poison a sum is taken."""
    answer = shop.report({"predictionId": shop.predict("ann"), "outcome": "spend", "value": value})
    assert (answer.status_code, kind_of(answer)) == (400, "value-invalid")
    assert why in answer.json()["detail"]
    assert shop.cohorts()[0, "canary"]["outcomes"]["spend"] == {"successes": 0, "sum": "0", "sumOfSquares": "0"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_has_no_number_for_is_refused(shop: Sender, number: str) -> None:
    """NaN and its like, bare in the body, are no JSON or no value; either way 400."""
    body = f'{{"predictionId": "{shop.predict("ann")}", "outcome": "spend", "value": {number}}}'
    answer = shop.http.post(OUTCOMES_PATH, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, kind_of(answer)) in {(400, "malformed-json"), (400, "value-invalid")}


def test_proportion_takes_no_other_value(shop: Sender) -> None:
    """A success is a success: a value that says otherwise is a misunderstanding."""
    answer = shop.report({"predictionId": shop.predict("ann"), "outcome": "buy", "value": 0})
    assert (answer.status_code, kind_of(answer)) == (400, "value-invalid")
    assert "with value 1 or none" in answer.json()["detail"]


def test_unknown_outcome_is_refused_with_those_that_are_known(shop: Sender) -> None:
    """A misspelt outcome is told apart at once, not lost."""
    answer = shop.report({"predictionId": shop.predict("ann"), "outcome": "bye"})
    assert (answer.status_code, kind_of(answer)) == (400, "outcome-unknown")
    assert answer.json()["detail"].endswith("has no outcome 'bye'; it declares: buy, spend")


def test_unknown_rollout_is_refused(shop: Sender) -> None:
    """A rollout that this ledger never heard of, for example of another cluster with the same master key."""
    answer = shop.report({"predictionId": shop.predict("ann", rollout="never"), **BUY})
    assert (answer.status_code, kind_of(answer)) == (400, "rollout-unknown")


def test_prediction_outside_of_a_rollout_is_refused(shop: Sender) -> None:
    """There is no cohort to credit."""
    plain = shop.issuer().issue(None, unit_hash(shop.model, "ann"), round(time.time() * 1e3))
    assert kind_of(shop.report({"predictionId": plain, **BUY})) == "no-rollout"


def test_closed_rollout_takes_nothing(shop: Sender) -> None:
    """The figures of a rollout that is over stay as they are."""
    before = shop.cohorts()
    assert shop.close().status_code == 204
    answer = shop.report({"predictionId": shop.predict("ann"), **BUY})
    assert (answer.status_code, kind_of(answer)) == (400, "rollout-closed")
    assert shop.expose(shop.batch(["bob"])).status_code == 200
    assert shop.count({"rollout": "r", "step": 0, "arm": "canary", "requests": 1}).status_code == 200
    assert shop.cohorts() == before


@pytest.mark.parametrize(
    ("predicted", "happened", "reason"),
    [
        (0, 400, "time-in-future"),
        (600, None, "time-in-future"),
        (0, -400, "time-before-prediction"),
        (-MAX_AGE_SECONDS - DAY, None, "prediction-expired"),
        (-MAX_AGE_SECONDS - DAY, 0, "prediction-expired"),
    ],
    ids=["happened ahead", "predicted ahead", "before its prediction", "expired", "expired, with a time"],
)
def test_impossible_time_is_refused(shop: Sender, predicted: float, happened: float | None, reason: str) -> None:
    """Times, in seconds from now: clocks may differ by five minutes, and an outcome comes within 90 days."""
    now = time.time()
    item: dict[str, Any] = {"predictionId": shop.predict("ann", at=now + predicted), **BUY}
    if happened is not None:
        item["time"] = (datetime.now(UTC) + timedelta(seconds=happened)).isoformat()
    answer = shop.report(item)
    assert (answer.status_code, kind_of(answer)) == (400, reason)


@pytest.mark.parametrize(("predicted", "happened"), [(200, None), (0, 200), (100, -100), (-80 * DAY, -80 * DAY)])
def test_clock_skew_within_bounds_is_taken(shop: Sender, predicted: float, happened: float | None) -> None:
    """A clock that is off by minutes costs no outcome."""
    item: dict[str, Any] = {"predictionId": shop.predict("ann", at=time.time() + predicted), **BUY}
    if happened is not None:
        item["time"] = (datetime.now(UTC) + timedelta(seconds=happened)).isoformat()
    assert shop.report(item).json()["counted"] == 1


@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b"\xff\xfe", 400, "malformed-json"),
        (b"[]", 400, "no-outcomes"),
        (b"3", 400, "malformed"),
        (b"null", 400, "malformed"),
        (b"[" * 3_000, 400, "malformed-json"),
        (b"[" + b"{}," * MAX_OUTCOMES + b"{}]", 400, "too-many-outcomes"),
        (b" " * (4 * 2**20 + 1), 413, "body-too-large"),
    ],
    ids=["empty", "half", "no UTF-8", "none", "a number", "null", "deep", "too many", "too large"],
)
def test_unreadable_body_is_refused(shop: Sender, content: bytes, status: int, kind: str) -> None:
    """Whatever comes as a body, the answer is a problem with a kind, never a 500."""
    answer = shop.http.post(OUTCOMES_PATH, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    assert answer.headers["content-type"] == "application/problem+json"


def test_another_content_type_is_refused(shop: Sender) -> None:
    """Outcomes are JSON, and say so."""
    answer = shop.http.post(OUTCOMES_PATH, content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, kind_of(answer)) == (415, "unsupported-media-type")


def test_bad_outcomes_spoil_no_good_ones(shop: Sender) -> None:
    """Of a list, each is judged by itself; the answer lists those that did not simply count."""
    good = {"predictionId": shop.predict("ann"), **BUY}
    bad: list[Any] = [{"predictionId": "forged", **BUY}, {"nothing": 1}, {**good, "outcome": "bye"}, 7]
    answer = shop.report(bad[0], good, *bad[1:], good)
    assert answer.status_code == 200
    receipt = answer.json()
    assert {key: receipt[key] for key in ("counted", "duplicate", "refused")} == {
        "counted": 1, "duplicate": 1, "refused": 4,
    }  # fmt: skip
    assert [(item["index"], item["status"], item["reason"]) for item in receipt["results"]] == [
        (0, "refused", "prediction-id-invalid"),
        (2, "refused", "malformed"),
        (3, "refused", "outcome-unknown"),
        (4, "refused", "malformed"),
        (5, "duplicate", ""),
    ]
    assert shop.cohorts()[0, "canary"]["outcomes"]["buy"]["successes"] == 1


def test_answer_repeats_nothing_that_was_sent(shop: Sender) -> None:
    """A complaint names the field and the rule; what was sent may be personal."""
    answer = shop.report({"predictionId": "a", "outcome": "buy", "email": "ann@example.com"})
    assert answer.status_code == 400
    assert "ann@example.com" not in json.dumps(answer.json())
    assert "email: Extra inputs are not permitted" in answer.json()["detail"]
