"""Outcomes and receipts, without a server: what cannot be sent first."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from marquee.client import Answer, InvalidRequestError, Outcome, Receipt, Refusal, batches, outcomes_body, read_receipt
from marquee.client.outcomes import MAX_BATCH, MAX_ID_LENGTH, OUTCOMES_PATH
from marquee.contract import ledger, prediction
from marquee.contract.ledger import OutcomeReport
from marquee.ledger.http.requests import MAX_BODY_BYTES

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 10**400, "7", None, Decimal("NaN"), np.float32("nan"), [1]]
)
def test_a_value_is_a_finite_number(value: Any) -> None:
    """JSON has no NaN, and a text that looks like a number is a mistake somewhere before."""
    with pytest.raises(InvalidRequestError, match=r"^value: .* is no finite number"):
        Outcome("id", "revenue", value)


@pytest.mark.parametrize("identifier", ["", "x" * (MAX_ID_LENGTH + 1), "ä", "\ud800", None, 7])
def test_a_prediction_id_is_the_text_that_came(identifier: Any) -> None:
    """Half a character would make the ledger refuse every outcome of the request."""
    with pytest.raises(InvalidRequestError, match=r"^prediction_id: "):
        Outcome(identifier, "purchase")


@pytest.mark.parametrize("name", ["", "Purchase", "1st", "a b", "ä", "a" * 64, "a\n", None])
def test_an_outcome_has_a_name(name: Any) -> None:
    """The contract's rule."""
    with pytest.raises(InvalidRequestError, match=r"^outcome: "):
        Outcome("id", name)


def test_a_time_has_a_zone() -> None:
    """A time without one would be another moment on another machine."""
    with pytest.raises(InvalidRequestError, match=r"^time: has no time zone"):
        Outcome("id", "purchase", time=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("id", "purchase"),
        Outcome("i" * MAX_ID_LENGTH, "a" * 63, 1e12, NOON),
        Outcome("id", "revenue", 39),
        Outcome("id", "revenue", Decimal("39.90")),  # type: ignore[arg-type]
        Outcome("id", "revenue", np.float32(0.5)),  # type: ignore[arg-type]
    ],
)
def test_what_is_sent_is_what_the_contract_reads(outcome: Outcome) -> None:
    """Names and types on the wire."""
    (report,) = (OutcomeReport.model_validate(item) for item in json.loads(outcomes_body([outcome])))
    assert (report.prediction_id, report.outcome, report.value, report.time) == (
        outcome.prediction_id,
        outcome.outcome,
        outcome.value,
        outcome.time,
    )


def test_the_longest_batch_fits_into_a_request() -> None:
    """Both by number and by size, with room for longer names to come."""
    longest = Outcome("i" * MAX_ID_LENGTH, "a" * 63, 123456789.123456789, NOON)
    assert len(outcomes_body([longest] * MAX_BATCH)) < MAX_BODY_BYTES / 2
    assert MAX_BATCH <= ledger.MAX_OUTCOMES
    assert (OUTCOMES_PATH, MAX_ID_LENGTH) == (ledger.OUTCOMES_PATH, prediction.MAX_LENGTH)


@pytest.mark.parametrize("count", [0, 1, MAX_BATCH, MAX_BATCH + 1, 2 * MAX_BATCH + 7])
def test_batches_keep_everything_in_order(count: int) -> None:
    """Nothing twice, nothing lost, none empty, none too long."""
    outcomes = [Outcome(f"id-{number}", "purchase") for number in range(count)]
    parts = list(batches(outcomes))
    assert [outcome for part in parts for outcome in part] == outcomes
    assert all(1 <= len(part) <= MAX_BATCH for part in parts)


BATCH = (Outcome("first", "purchase"), Outcome("second", "purchase"))
PROBLEM = b'{"type":"urn:marquee:problem:prediction-id-invalid","detail":"is cut"}'


def receipt(**more: Any) -> bytes:
    return json.dumps({"counted": 1, "duplicate": 0, "pending": 0, "refused": 1, "results": [], **more}).encode()


@pytest.mark.parametrize(
    ("status", "body", "count"),
    [
        (200, b"", 2),
        (200, b"<html>", 2),
        (200, b"[]", 2),
        (200, b"{}", 2),
        (200, receipt(results=None), 2),
        (200, receipt(results=[{"index": 2, "status": "refused", "reason": "x", "detail": ""}]), 2),
        (202, receipt(), 2),
        (400, PROBLEM, 2),
        (400, b'{"detail": "of a gateway"}', 1),
        (401, PROBLEM, 1),
        (503, PROBLEM, 1),
    ],
)
def test_what_is_no_receipt(status: int, body: bytes, count: int) -> None:
    """An answer that leaves open what became of the outcomes is none: they are reported again."""
    assert read_receipt(Answer(status, {}, body), BATCH[:count]) is None


def test_a_receipt_names_the_refused_outcomes_themselves() -> None:
    """Not their place in some request."""
    results = [
        {"index": 0, "status": "pending", "reason": "exposure-not-seen", "detail": "kept"},
        {"index": 1, "status": "refused", "reason": "prediction-id-invalid", "detail": "is cut"},
    ]
    answer = Answer(200, {}, receipt(counted=0, pending=1, results=results))
    expected = Receipt(pending=1, refused=(Refusal(BATCH[1], "prediction-id-invalid", "is cut"),))
    assert read_receipt(answer, BATCH) == expected


def test_a_single_refusal_reads_like_one_of_many() -> None:
    """The ledger answers it with 400; callers need not know."""
    expected = Receipt(refused=(Refusal(BATCH[0], "prediction-id-invalid", "is cut"),))
    assert read_receipt(Answer(400, {}, PROBLEM), BATCH[:1]) == expected


def test_receipts_add_up() -> None:
    """One for the whole report."""
    refusals = [Refusal(outcome, "x", "") for outcome in BATCH]
    total = Receipt(1, 2, 3, (refusals[0],)) + Receipt(10, 20, 30, (refusals[1],))
    assert total == Receipt(11, 22, 33, tuple(refusals))
