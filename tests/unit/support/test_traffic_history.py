"""What the crash tests call trouble: users sent to nobody, requests routed to an arm that is not ready, steps back."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.contract.cohort import Arm, Cohort
from tests.crash.observatory import Event
from tests.crash.routes import Split, in_words, receivers, split_of
from tests.crash.traffic import LABEL, troubles


def deployment(name: str, ready: int = 1, *, gone: bool = False) -> tuple[str, bool, dict[str, Any]]:
    """A Deployment that wants one pod."""
    body = {"metadata": {"name": name}, "spec": {"replicas": 1}, "status": {"availableReplicas": ready}}
    return "Deployment", gone, body


def arm(name: str, *, gone: bool = False) -> tuple[str, bool, dict[str, Any]]:
    """The Service of one revision."""
    return "Service", gone, {"metadata": {"name": name, "labels": {LABEL: name}}, "spec": {"selector": {LABEL: name}}}


def service(to: str | None) -> tuple[str, bool, dict[str, Any]]:
    """The model's own: of one revision, or of all."""
    selector = {} if to is None else {LABEL: to}
    return "Service", False, {"metadata": {"name": "lead"}, "spec": {"selector": selector}}


def route(stable: str, canary: str = "", rollout: str = "r", step: int = 0, weight: int = 20) -> Any:
    """The model's route, on a step where a canary is named."""
    shares = [(Arm.CANARY, canary or stable, weight), (Arm.STABLE, stable, 100 - weight)]
    backends = []
    for of, name, share in shares:
        stamp = {"name": "marquee-cohort", "value": str(Cohort(rollout, step, of))}
        changes = {"set": [stamp]} if canary else {"remove": ["marquee-cohort"]}
        modifier = {"type": "RequestHeaderModifier", "requestHeaderModifier": changes}
        backends.append({"name": name, "weight": share, "filters": [modifier]})
    return "HTTPRoute", False, {"metadata": {"name": "lead"}, "spec": {"rules": [{"backendRefs": backends}]}}


def history(*changes: tuple[str, bool, dict[str, Any]]) -> list[Event]:
    """The changes, one after the other."""
    return [Event(number, *change) for number, change in enumerate(changes)]


START = [deployment("v1", 0), arm("v1"), service("v1"), route("v1"), deployment("v1")]
BESIDE = [*START, deployment("v2"), arm("v2")]
PLAIN = [deployment("v1"), service("v1"), deployment("v2")]
BOTH = [*PLAIN, service(None)]
RAMP = [*BESIDE, route("v1", "v2"), route("v1", "v2", step=1, weight=50)]


@pytest.mark.parametrize(
    "changes",
    [
        START,
        [*RAMP, service("v2"), route("v2"), arm("v1", gone=True), deployment("v1", gone=True)],
        [*RAMP, route("v1"), deployment("v2", gone=True), arm("v2", gone=True)],
        [*RAMP, route("v1"), route("v1", "v2", rollout="s", weight=30)],
        [*BOTH, service("v2"), deployment("v1", gone=True)],
        [*BOTH, service("v1"), deployment("v2", gone=True), deployment("v3", 0)],
    ],
)
def test_good_order_is_no_trouble(changes: list[Any]) -> None:
    """A start, a promotion, a rollback, a rollout that begins anew, and both ends of one by pods."""
    assert troubles(history(*changes)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([service("v1")], "users are sent to v1"),
        ([*BESIDE, deployment("v2", 0), service("v2")], "v2, which has no pod"),
        ([*START, deployment("v1", gone=True)], "v1 was removed while users were sent to it"),
        ([*START, deployment("v2", 0), arm("v2"), route("v1", "v2")], "v2, whose pods are not all ready"),
        ([*START, deployment("v2"), route("v1", "v2")], "v2, and there is no such Service"),
        ([*RAMP, deployment("v2", gone=True)], "the Deployment of v2 was removed while requests went to it"),
        ([*RAMP, arm("v1", gone=True)], "the Service of v1 was removed while requests went to it"),
        ([*RAMP, route("v1", "v2")], "weight=20) after Split(rollout='r', step=1, weight=50)"),
        ([*BESIDE, route("v1", "v2"), route("v1", "v2", weight=30)], "weight=30) after"),
        ([*BESIDE, route("v1", "v2"), route("v1", "v2", step=2, weight=30)], "step=2"),
        ([*RAMP, route("v1"), route("v1", "v2", step=1, weight=50)], "after its end"),
        ([*PLAIN, deployment("v2", 0), service(None)], "v2, which has no pod"),
        ([*BOTH, deployment("v2", gone=True)], "v2 was removed while users were sent to it"),
        ([*BOTH, deployment("v3", 0)], "v3 came while the Service took in the pods of all"),
    ],
)
def test_each_disorder_is_named(changes: list[Any], said: str) -> None:
    """The line says what was wrong, and when."""
    assert any(said in line for line in troubles(history(*changes)))


def test_a_route_in_a_few_words() -> None:
    """Who gets requests, the split of those without a bucket, and how many buckets an expression takes."""
    _, _, body = route("v1", "v2", weight=5)
    assert (receivers(body), split_of(body)) == ({"v1", "v2"}, Split("r", 0, 5))
    assert split_of(route("v1")[2]) is None
    assert in_words("^(?:99[0-9]|1[0-1][0-9])$") == "30 buckets"
