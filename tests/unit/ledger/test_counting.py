"""What is counted, over HTTP and on both stores: first exposures, outcomes once, late ones where they belong."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import ExposureBatch, ExposureGroup
from marquee.ledger.book.verifying import verify
from marquee.ledger.store.database import Database
from tests.support.ledger import Sender

BUY = {"outcome": "buy"}
SPEND = {"outcome": "spend", "kind": "Mean", "cap": 100}
NONE = {"successes": 0, "sum": "0", "sumOfSquares": "0"}


@pytest.fixture
def shop(sender: Sender) -> Sender:
    """A sender whose rollout counts purchases and what they are worth."""
    assert sender.declare(BUY, SPEND).status_code == 201
    return sender


def bought(sender: Sender, *units: str, **cohort: Any) -> dict[str, Any]:
    answer = sender.report(*({"predictionId": sender.predict(unit, **cohort), **BUY} for unit in units))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def spent(sender: Sender, unit: str, value: float, **cohort: Any) -> dict[str, Any]:
    prediction = sender.predict(unit, **cohort)
    answer = sender.report({"predictionId": prediction, "outcome": "spend", "value": value})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def exposures(sender: Sender) -> dict[tuple[int, str], int]:
    return {place: cohort["exposures"] for place, cohort in sender.cohorts().items() if cohort["exposures"]}


def successes(sender: Sender) -> dict[tuple[int, str], int]:
    found = {place: cohort["outcomes"]["buy"]["successes"] for place, cohort in sender.cohorts().items()}
    return {place: count for place, count in found.items() if count}


def test_unit_is_exposed_once(shop: Sender) -> None:
    """Twice in a batch, in another batch, in a later step, in the other arm: a unit counts where it was seen first."""
    shop.expose(shop.batch(["ann", "ann", "bob"], arm=Arm.STABLE))
    shop.expose(shop.batch(["ann", "cid"], arm=Arm.STABLE))
    shop.expose(shop.batch(["ann", "bob", "dan"], step=1))
    assert exposures(shop) == {(0, "stable"): 3, (1, "canary"): 1}


def test_late_batch_takes_its_units_back(shop: Sender) -> None:
    """A batch that waited in a spool moves its units, and what they bought, to the step they were first seen in."""
    shop.expose(shop.batch(["ann", "bob"], step=3))
    bought(shop, "ann", step=3)
    spent(shop, "ann", 30, step=3)
    shop.expose(shop.batch(["ann"], step=1, arm=Arm.STABLE))
    cohorts = shop.cohorts()
    assert exposures(shop) == {(1, "stable"): 1, (3, "canary"): 1}
    assert successes(shop) == {(1, "stable"): 1}
    assert cohorts[1, "stable"]["outcomes"]["spend"] == {"successes": 1, "sum": "3000", "sumOfSquares": "9000000"}
    assert cohorts[3, "canary"]["outcomes"] == {"buy": NONE, "spend": NONE}


def test_batch_counts_once(shop: Sender) -> None:
    """The same batch sent again is recognised and adds nothing."""
    batch = shop.batch(["ann", "bob"])
    answers = [shop.expose(batch).json() for _ in range(3)]
    assert [answer["duplicate"] for answer in answers] == [False, True, True]
    assert {answer["batchId"] for answer in answers} == {batch.batch_id.hex()}
    assert exposures(shop) == {(0, "canary"): 2}


def test_batch_id_with_other_content_is_a_conflict(shop: Sender) -> None:
    """A predictor that reuses ids would lose exposures in silence; it is told."""
    batch_id = secrets.token_bytes(16)
    assert shop.expose(shop.batch(["ann"], batch_id=batch_id)).status_code == 200
    answer = shop.expose(shop.batch(["bob"], batch_id=batch_id))
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:marquee:problem:batch-reused"
    assert exposures(shop) == {(0, "canary"): 1}


def test_batch_may_hold_many_rollouts_and_cohorts(shop: Sender) -> None:
    """One predictor may serve several rollouts between two batches."""
    units = [unit_hash(shop.model, name) for name in ("ann", "bob", "cid")]
    groups = (
        ExposureGroup(Cohort("r", 0, Arm.CANARY), units[0]),
        ExposureGroup(Cohort("r", 0, Arm.STABLE), units[1] + units[2]),
        ExposureGroup(Cohort("other", 2, Arm.CANARY), units[0]),
        ExposureGroup(Cohort("r", 0, Arm.CANARY), units[0]),
    )
    assert shop.expose(ExposureBatch(secrets.token_bytes(16), shop.model, groups)).status_code == 200
    assert exposures(shop) == {(0, "canary"): 1, (0, "stable"): 2}
    assert shop.cohorts("other")[2, "canary"]["exposures"] == 1


def test_extreme_unit_hashes_are_units(shop: Sender) -> None:
    """Hashes at the edges of 64 signed bits are kept apart."""
    edges = [bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)]
    group = ExposureGroup(Cohort("r", 0, Arm.CANARY), b"".join(edges))
    assert shop.expose(ExposureBatch(secrets.token_bytes(16), shop.model, (group,))).status_code == 200
    assert exposures(shop) == {(0, "canary"): 4}


def test_success_counts_once_for_a_unit(shop: Sender) -> None:
    """A proportion counts a unit's first success, not the ones after it, also of other predictions."""
    shop.expose(shop.batch(["ann", "bob"]))
    assert bought(shop, "ann", "ann")["counted"] == 1
    receipt = bought(shop, "ann", "bob")
    assert (receipt["counted"], receipt["duplicate"]) == (1, 1)
    assert successes(shop) == {(0, "canary"): 2}


def test_late_outcome_is_credited_to_the_first_exposure(shop: Sender) -> None:
    """A purchase after the ramp moved on counts in the step and arm where the unit was first seen."""
    shop.expose(shop.batch(["ann"], step=0, arm=Arm.STABLE))
    shop.expose(shop.batch(["ann"], step=2))
    bought(shop, "ann", step=2)
    assert successes(shop) == {(0, "stable"): 1}


def test_outcome_that_overtakes_its_exposure_waits(shop: Sender) -> None:
    """Predictors buffer: a fast click is kept, and counts when the exposure comes."""
    assert bought(shop, "ann")["pending"] == 1
    assert spent(shop, "ann", 12.5)["pending"] == 1
    assert shop.cohorts() == {}
    shop.expose(shop.batch(["ann"]))
    outcomes = shop.cohorts()[0, "canary"]["outcomes"]
    assert outcomes["buy"]["successes"] == 1
    assert outcomes["spend"] == {"successes": 1, "sum": "1250", "sumOfSquares": "1562500"}
    assert bought(shop, "ann")["duplicate"] == 1


def test_values_add_up_to_the_cap(shop: Sender) -> None:
    """A mean adds a unit's values, one for each prediction, up to the cap of its sum."""
    shop.expose(shop.batch(["ann", "bob"]))
    spent(shop, "ann", 60)
    spent(shop, "ann", 70.004)
    spent(shop, "ann", 1)
    spent(shop, "bob", 0.015)
    spent(shop, "bob", 0)
    outcomes = shop.cohorts()[0, "canary"]["outcomes"]["spend"]
    assert outcomes == {"successes": 2, "sum": str(10_000 + 2), "sumOfSquares": str(10_000**2 + 4)}


def test_value_of_one_prediction_counts_once(shop: Sender) -> None:
    """The same prediction reported again is a duplicate, whatever value it says then."""
    shop.expose(shop.batch(["ann"]))
    prediction = shop.predict("ann")
    first, second = (
        shop.report({"predictionId": prediction, "outcome": "spend", "value": value}).json() for value in (5, 80)
    )
    assert (first["counted"], second["duplicate"]) == (1, 1)
    assert shop.cohorts()[0, "canary"]["outcomes"]["spend"]["sum"] == "500"


def test_a_million_outcomes_for_one_prediction_are_one(shop: Sender, database: Database) -> None:
    """A sender gone wild adds nothing, and fills no table: five hundred requests would do what these two do."""
    shop.expose(shop.batch(["ann"]))
    prediction = shop.predict("ann")
    for outcome in ("buy", "spend"):
        items = [{"predictionId": prediction, "outcome": outcome, "value": 1}] * 2_000
        first, second = shop.report(*items).json(), shop.report(*items).json()
        assert (first["counted"], first["duplicate"]) == (1, 1_999)
        assert (second["counted"], second["duplicate"]) == (0, 2_000)
    assert successes(shop) == {(0, "canary"): 1}
    with database.reader.begin() as connection:
        assert verify(connection) == []


def test_largest_sums_stay_exact(sender: Sender) -> None:
    """Squares beyond 64 bits are kept to the last digit."""
    sender.declare({"outcome": "spend", "kind": "Mean", "decimals": 0})
    units = [f"unit-{number}" for number in range(9)]
    sender.expose(sender.batch(units))
    sender.report(*({"predictionId": sender.predict(unit), "outcome": "spend", "value": 2**31 - 1} for unit in units))
    outcomes = sender.cohorts()[0, "canary"]["outcomes"]["spend"]
    assert outcomes["sum"] == str(9 * (2**31 - 1))
    assert outcomes["sumOfSquares"] == str(9 * (2**31 - 1) ** 2)


def test_counts_add_up_once_for_a_batch(shop: Sender) -> None:
    """Requests, errors and slow requests are added by batches that may be sent again."""
    counts = [
        {"rollout": "r", "step": 0, "arm": "canary", "requests": 10, "errors": 2, "slow": 3},
        {"rollout": "r", "step": 0, "arm": "stable", "requests": 90},
        {"rollout": "r", "step": 0, "arm": "canary", "requests": 1, "errors": 1},
    ]
    batch_id = secrets.token_hex(16)
    assert [shop.count(*counts, batch_id=batch_id).json()["duplicate"] for _ in range(2)] == [False, True]
    assert shop.count(counts[0]).json()["duplicate"] is False
    cohorts = shop.cohorts()
    assert [cohorts[0, "canary"][key] for key in ("requests", "errors", "slow")] == [21, 5, 6]
    assert [cohorts[0, "stable"][key] for key in ("requests", "errors", "slow")] == [90, 0, 0]
    assert shop.count(counts[1], batch_id=batch_id).status_code == 409


def test_ids_of_exposures_and_counts_do_not_meet(shop: Sender) -> None:
    """The same sixteen bytes may name a batch of each kind."""
    batch_id = secrets.token_bytes(16)
    assert shop.expose(shop.batch(["ann"], batch_id=batch_id)).json()["duplicate"] is False
    counts = {"rollout": "r", "step": 0, "arm": "canary", "requests": 1}
    assert shop.count(counts, batch_id=batch_id.hex()).json()["duplicate"] is False


def test_exposures_before_the_declaration_count(sender: Sender) -> None:
    """Predictors may be faster than the operator: what they saw is kept, outcomes must wait for their declaration."""
    sender.expose(sender.batch(["ann"]))
    refused = sender.report({"predictionId": sender.predict("ann"), **BUY})
    assert refused.json()["detail"].endswith("has no outcome 'buy'; it declares: none")
    assert sender.declare(BUY).status_code == 201
    assert bought(sender, "ann")["counted"] == 1
    assert successes(sender) == {(0, "canary"): 1}
