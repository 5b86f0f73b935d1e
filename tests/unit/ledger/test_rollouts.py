"""Rollouts: declared once, closed once; and the integers of many with one request."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import ROLLOUTS_PATH, STATISTICS_PATH, StatisticsReply
from marquee.ledger.book.rollouts import MAX_UNDECLARED
from tests.support.ledger import Sender

BUY = {"outcome": "buy"}
SPEND = {"outcome": "spend", "kind": "Mean", "decimals": 0, "cap": 50}


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


def many(sender: Sender, rollouts: int) -> ExposureBatch:
    """A batch with one unit in each of some rollouts."""
    unit = unit_hash(sender.model, "ann")
    groups = (ExposureGroup(Cohort(f"r{number}", 0, Arm.CANARY), unit) for number in range(rollouts))
    return ExposureBatch(secrets.token_bytes(16), sender.model, tuple(groups))


def test_changed_declaration_is_a_conflict(sender: Sender) -> None:
    """What is measured does not change while it is measured."""
    assert sender.declare(BUY, SPEND).status_code == 201
    assert sender.declare(BUY, SPEND).status_code == 200
    for other in ([BUY], [SPEND, BUY], [BUY, SPEND | {"cap": 51}], []):
        answer = sender.declare(*other)
        assert (answer.status_code, kind_of(answer)) == (409, "declaration-changed")
    assert [metric["outcome"] for metric in sender.statistics()["metrics"]] == ["buy", "spend"]


@pytest.mark.parametrize(
    "path", ["Crm/lead/r", "crm/Lead/r", "crm/lead/-r", "crm/lead/r%20r", "crm/" + "l" * 51 + "/r"]
)
def test_impossible_name_is_refused(http: httpx.Client, path: str) -> None:
    """Names are those that Kubernetes would accept."""
    answer = http.put(f"{ROLLOUTS_PATH}/{path}", json={"metrics": []})
    assert (answer.status_code, kind_of(answer)) == (400, "malformed-name")


def test_impossible_declaration_is_refused(sender: Sender) -> None:
    """422, with the path of the field."""
    answer = sender.declare({"outcome": "buy", "cap": 3})
    assert (answer.status_code, kind_of(answer)) == (422, "invalid-input")
    assert answer.json()["detail"] == "metrics.0: Value error, cap: a proportion has none"


def test_unknown_rollout_cannot_be_closed(sender: Sender) -> None:
    """404 tells the operator that its rollout is of another ledger."""
    answer = sender.close("never")
    assert (answer.status_code, kind_of(answer)) == (404, "rollout-unknown")
    assert answer.json()["detail"] == f"there is no rollout {sender.model}/never"


def test_closing_twice_is_closing(sender: Sender) -> None:
    """The operator may repeat what it does not know to be done."""
    sender.declare(BUY)
    assert [sender.close().status_code for _ in range(2)] == [204, 204]
    assert sender.statistics()["closed"] is True


def test_flood_of_undeclared_rollouts_is_stopped(sender: Sender) -> None:
    """A predictor that takes something else for its cohort fills no table; declared rollouts are not bounded."""
    assert sender.expose(many(sender, MAX_UNDECLARED)).status_code == 200
    answer = sender.expose(sender.batch(["ann"], rollout="one-more"))
    assert (answer.status_code, kind_of(answer)) == (409, "too-many-rollouts")
    assert sender.expose(sender.batch(["bob"], rollout="r5")).status_code == 200
    assert sender.declare(BUY, rollout="one-more").status_code == 201
    assert sender.expose(sender.batch(["ann"], rollout="one-more")).status_code == 200


def test_statistics_of_an_unknown_rollout_are_not_found(sender: Sender) -> None:
    """A name that is wrong is told, not answered by an empty list."""
    answer = sender.http.get(STATISTICS_PATH, params={"rollout": f"{sender.model}/never"})
    assert (answer.status_code, kind_of(answer)) == (404, "rollout-unknown")


@pytest.mark.parametrize("name", ["", "r", "lead/r", "a/b/c/d"])
def test_impossible_name_in_a_query_is_refused(http: httpx.Client, name: str) -> None:
    """A rollout is named namespace/model/rollout."""
    answer = http.get(STATISTICS_PATH, params={"rollout": name})
    assert (answer.status_code, kind_of(answer)) == (400, "malformed-name")


def test_statistics_are_records_of_the_contract(sender: Sender) -> None:
    """What the ledger writes by hand is what the contract's types read, with every declared outcome present."""
    sender.declare(BUY, SPEND)
    sender.expose(sender.batch(["ann", "bob"]))
    sender.report({"predictionId": sender.predict("ann"), **BUY})
    text = sender.http.get(STATISTICS_PATH, params={"rollout": f"{sender.model}/r"}).text
    (rollout,) = StatisticsReply.model_validate_json(text).rollouts
    (cohort,) = rollout.cohorts
    assert (cohort.exposures, cohort.outcomes["buy"].successes, cohort.outcomes["spend"].sum) == (2, 1, 0)
    assert [metric.cap for metric in rollout.metrics] == [None, 50]


def test_all_open_rollouts_come_in_the_order_of_their_names(sender: Sender) -> None:
    """Without names the answer holds what is not closed."""
    for name in ("b", "a", "c"):
        sender.declare(BUY, rollout=name)
    sender.close("b")
    everything = sender.http.get(STATISTICS_PATH).json()["rollouts"]
    names = [(item["model"], item["rollout"]) for item in everything]
    assert names == sorted(names)
    assert [name for model, name in names if model == sender.model] == ["a", "c"]


def test_a_thousand_rollouts_come_with_one_request(sender: Sender) -> None:
    """The operator reads all its rollouts at once, by name."""
    sender.expose(many(sender, MAX_UNDECLARED))
    wanted: list[Any] = [("rollout", f"{sender.model}/r{number}") for number in range(MAX_UNDECLARED)] * 10
    answer = sender.http.get(STATISTICS_PATH, params=wanted)
    assert answer.status_code == 200
    assert len(answer.json()["rollouts"]) == MAX_UNDECLARED


def test_unchanged_statistics_are_not_sent_again(sender: Sender) -> None:
    """`If-None-Match` costs no transfer, and any change of an integer ends it."""
    sender.expose(sender.batch(["ann"]))
    query = {"rollout": f"{sender.model}/r"}
    first = sender.http.get(STATISTICS_PATH, params=query)
    headers = {"if-none-match": first.headers["etag"]}
    assert sender.http.get(STATISTICS_PATH, params=query, headers=headers).status_code == 304
    sender.expose(sender.batch(["bob"]))
    changed = sender.http.get(STATISTICS_PATH, params=query, headers=headers)
    assert changed.status_code == 200
    assert changed.json()["rollouts"][0]["revision"] > first.json()["rollouts"][0]["revision"]


def test_revision_grows_with_every_change(sender: Sender) -> None:
    """Whoever kept an older answer can tell."""
    revisions = []
    changes: list[Callable[[], httpx.Response]] = [
        lambda: sender.declare(BUY),
        lambda: sender.expose(sender.batch(["ann", "bob"], step=1)),
        lambda: sender.expose(sender.batch(["ann"], step=0)),
        lambda: sender.count({"rollout": "r", "step": 0, "arm": "stable", "requests": 1}),
        lambda: sender.report({"predictionId": sender.predict("ann"), **BUY}),
        sender.close,
    ]
    for change in changes:
        assert change().is_success
        revisions.append(sender.statistics()["revision"])
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", EXPOSURES_PATH, 405, "method-not-allowed"),
        ("DELETE", STATISTICS_PATH, 405, "method-not-allowed"),
    ],
)
def test_other_paths_and_methods_are_problems(
    http: httpx.Client, method: str, path: str, status: int, kind: str
) -> None:
    """Also what is not served is answered in one shape."""
    answer = http.request(method, path)
    assert (answer.status_code, kind_of(answer)) == (status, kind)
