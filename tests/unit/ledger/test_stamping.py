"""Pods that stamp their requests themselves: which rollout, which arm, and since when which step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from marquee.contract.ledger import ROLLOUTS_PATH
from marquee.contract.stamping import LEAD_SECONDS, STAMPING_PATH, StampingReply
from tests.support.ledger import Sender

ARMS = {"stable": "lead-v1", "canary": "lead-v2"}
BUY = {"outcome": "buy"}


def put(sender: Sender, step: int = 0, rollout: str = "r", **arms: str) -> httpx.Response:
    path = f"{ROLLOUTS_PATH}/{sender.model}/{rollout}/stamping"
    return sender.http.put(path, json=ARMS | arms | {"step": step})


def end(sender: Sender, rollout: str = "r") -> httpx.Response:
    return sender.http.delete(f"{ROLLOUTS_PATH}/{sender.model}/{rollout}/stamping")


def told(sender: Sender) -> StampingReply:
    answer = sender.http.get(f"{STAMPING_PATH}/{sender.model}")
    assert answer.status_code == 200, answer.text
    return StampingReply.model_validate_json(answer.text)


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rpartition(":")[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "stable"),
        (ARMS, "step"),
        (ARMS | {"step": -1}, "step"),
        (ARMS | {"step": 1000}, "step"),
        (ARMS | {"step": 0, "canary": "Lead V2"}, "canary"),
        (ARMS | {"step": 0, "weight": 5}, "weight"),
    ],
)
def test_what_is_no_stamping_is_refused(sender: Sender, body: dict[str, Any], words: str) -> None:
    """422, with the field."""
    sender.declare(BUY)
    answer = sender.http.put(f"{ROLLOUTS_PATH}/{sender.model}/r/stamping", json=body)
    assert kind_of(answer) == (422, "invalid-input")
    assert words in answer.json()["detail"]


def test_a_rollout_that_nobody_declared_stamps_nothing(sender: Sender) -> None:
    """404 tells the operator that its rollout is of another ledger."""
    assert kind_of(put(sender, rollout="never")) == (404, "rollout-unknown")
    assert kind_of(end(sender, rollout="never")) == (404, "rollout-unknown")
    assert told(sender) == StampingReply()


def test_impossible_names_are_refused(http: httpx.Client) -> None:
    """Of a rollout, and of a model."""
    assert kind_of(http.put(f"{ROLLOUTS_PATH}/crm/Lead/r/stamping", json=ARMS | {"step": 0}))[0] == 400
    assert kind_of(http.get(f"{STAMPING_PATH}/crm/Lead")) == (400, "malformed-name")


def test_a_step_begins_when_every_pod_has_heard_of_it(sender: Sender) -> None:
    """Some seconds after it was told; what is told again keeps its beginning."""
    sender.declare(BUY)
    assert [put(sender).status_code for _ in range(2)] == [201, 200]
    reply = told(sender)
    (first,) = reply.steps
    assert (reply.rollout, reply.stable, reply.canary, first.step) == ("r", "lead-v1", "lead-v2", 0)
    assert LEAD_SECONDS - 5 < first.in_seconds <= LEAD_SECONDS
    assert put(sender, step=1).status_code == 201
    assert put(sender, step=0).status_code == 200
    again, second = told(sender).steps
    assert (again.step, second.step) == (0, 1)
    assert again.in_seconds < first.in_seconds < second.in_seconds + 1


def test_other_revisions_are_another_rollout(sender: Sender) -> None:
    """What an arm is does not change while it is counted."""
    sender.declare(BUY)
    put(sender)
    assert kind_of(put(sender, step=1, canary="lead-v3")) == (409, "stamping-changed")
    assert told(sender).canary == "lead-v2"


def test_what_is_over_stays_over(sender: Sender) -> None:
    """Ending it again changes nothing, a step after it is refused, and outcomes still count."""
    sender.declare(BUY)
    assert end(sender).status_code == 204
    put(sender)
    assert sender.statistics()["stamping"] is True
    assert [end(sender).status_code for _ in range(2)] == [204, 204]
    assert (told(sender), sender.statistics()["stamping"]) == (StampingReply(), False)
    assert kind_of(put(sender, step=1)) == (409, "stamping-changed")
    sender.expose(sender.batch(["ann"]))
    assert sender.report({"predictionId": sender.predict("ann"), **BUY}).json()["counted"] == 1


def test_a_closed_rollout_stamps_no_more(sender: Sender) -> None:
    """The next one closes it; the pods hear of the newest that is open."""
    for name in ("r", "s"):
        sender.declare(BUY, rollout=name)
        put(sender, rollout=name)
    assert told(sender).rollout == "s"
    sender.close("s")
    assert told(sender).rollout == "r"
    assert kind_of(put(sender, step=1, rollout="s")) == (409, "stamping-changed")


def test_the_revision_grows_with_each_telling(sender: Sender) -> None:
    """The operator notices that what it told has arrived."""
    sender.declare(BUY)
    revisions = [sender.statistics()["revision"]]
    changes: list[Callable[[], httpx.Response]] = [
        lambda: put(sender),
        lambda: put(sender, step=1),
        lambda: end(sender),
    ]
    for change in changes:
        assert change().is_success
        revisions.append(sender.statistics()["revision"])
    assert revisions == sorted(set(revisions))
