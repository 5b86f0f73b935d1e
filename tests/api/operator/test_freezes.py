"""Freezes on a real API server: a revision waits, and goes on when the person who froze it says so."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcluster import ControlPlane
from marquee.audit.events import FreezesChanged
from marquee.audit.statements import Statement, read_entry
from marquee.contract.audit_paths import AUDIT_MODELS_PATH, FREEZES
from marquee.contract.holding import ANNOTATION_FREEZE, Hold
from tests.api.operator.conftest import new_team
from tests.api.operator.team import QUICK, Team
from tests.support.apiserver import Answer, ApiServer
from tests.support.kinds import collection
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.operator import OperatorProcess

HOME = "default"
"""The operator's own namespace, as `OperatorProcess` has it."""

FOR_EVER = {"freezes": [{"first": "2000-01-01", "last": "2999-12-31", "reason": "sale"}]}


def say(team: Team, hold: Hold) -> None:
    """What ``kubectl marquee freeze`` and ``unfreeze`` write."""
    team.edit("MarketingModel", "lead", {"metadata": {"annotations": {ANNOTATION_FREEZE: hold.to_text()}}})


def test_a_revision_waits_for_the_calendar_and_for_people(team: Team) -> None:
    """The first one serves at once; the next comes up, and gets users when neither the spec nor a person holds it."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", rollout=QUICK | FOR_EVER)
    team.serves("lead", "lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.model("lead", "lead-v2", rollout=QUICK | FOR_EVER)
    team.wait(lambda: team.condition("lead").get("reason") == "Frozen", "it waits")
    assert "spec.rollout.freezes: sale, until 3000-01-01" in team.condition("lead")["message"]
    say(team, Hold(on=True, by="anna", reason="audit"))
    team.model("lead", "lead-v2")
    team.wait(lambda: "frozen by anna: audit" in team.condition("lead").get("message", ""), "a person holds it")
    assert team.receives("lead") == "lead-v1"
    say(team, Hold(on=False, by="anna"))
    team.serves("lead", "lead-v2")


def freeze(team: Team, namespace: str, name: str, *, user: str = "", **spec: Any) -> Answer:
    """Somebody freezes a namespace, or all of them."""
    body = {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "PromotionFreeze",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return team.cluster.server.send("POST", collection("PromotionFreeze", namespace), body, user=user)


def thaw(team: Team, namespace: str, name: str) -> Answer:
    """And deletes that."""
    return team.cluster.server.send("DELETE", f"{collection('PromotionFreeze', namespace)}/{name}")


@pytest.fixture
def waiting(team: Team) -> Team:
    """A model that serves."""
    team.revision("lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    return team


@pytest.fixture
def frozen_everywhere(waiting: Team) -> Iterator[str]:
    """A freeze of all models, as long as the test lasts or until it is deleted."""
    assert freeze(waiting, HOME, "peak", reason="peak season", last="2999-12-31").accepted
    yield "peak"
    thaw(waiting, HOME, "peak")


def test_one_object_freezes_all_models(waiting: Team, frozen_everywhere: str) -> None:
    """A model's first revision serves, the next one waits, in any namespace; deleted, it goes on at once."""
    other = new_team(waiting.cluster)
    other.revision("churn-v1")
    other.model("churn", "churn-v1")
    other.serves("churn", "churn-v1")
    waiting.model("lead", "lead-v2")
    waiting.wait(lambda: waiting.condition("lead").get("reason") == "Frozen", "it waits")
    message = "revision lead-v2 waits: PromotionFreeze default/peak: peak season, until 3000-01-01 00:00 UTC"
    assert waiting.condition("lead")["message"] == message
    assert waiting.receives("lead") == "lead-v1"
    assert thaw(waiting, HOME, frozen_everywhere).accepted
    waiting.serves("lead", "lead-v2")


def test_a_namespaces_freeze_is_its_own(waiting: Team) -> None:
    """A freeze beside other models holds nothing here; one beside this model does, until its last day is past."""
    other = new_team(waiting.cluster)
    assert freeze(waiting, other.namespace, "audit").accepted
    assert freeze(waiting, waiting.namespace, "audit", reason="audit").accepted
    waiting.model("lead", "lead-v2")
    waiting.wait(lambda: "/audit: audit" in waiting.condition("lead").get("message", ""), "it waits")
    waiting.edit("PromotionFreeze", "audit", {"spec": {"last": "2026-01-01"}})
    waiting.serves("lead", "lead-v2")


def test_a_freeze_that_nobody_could_follow_is_refused(team: Team) -> None:
    """The API server says what is wrong: days that never come, no day, a zone that it does not know."""
    refusals = {
        freeze(team, HOME, "bad", first="2026-12-02", last="2026-11-20").message: "spec.last: Invalid value: ",
        freeze(team, HOME, "bad", first="20 Nov").message: "spec.first",
        freeze(team, HOME, "bad", timeZone="Europe/Berlinn").message: "unknown time zone Europe/Berlinn",
        freeze(team, HOME, "bad", timeZone="Local").message: "must be a name of the IANA time zone database",
    }
    assert len(refusals) == 4
    for message, words in refusals.items():
        assert words in message


def test_the_log_has_every_list_of_freezes(
    plane: ControlPlane, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """Made, changed and deleted, in the operator's namespace and in one that it watches; also while it was away."""
    (tmp_path / "author").write_text("12" * 32, encoding="ascii")
    (tmp_path / "token").write_text("anybody", encoding="ascii")
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as ledger:
        settings = {
            "lease_name": "freezing",
            "pod_namespace": home_of(server, namespace),
            "watch_namespaces": namespace,
            "ledger_url": ledger.url,
            "ledger_token_path": str(tmp_path / "token"),
            "audit_key_path": str(tmp_path / "author"),
        }
        home = settings["pod_namespace"]
        with OperatorProcess(plane.kubeconfig, tmp_path / "first", **settings):
            make(server, home, "peak", reason="peak season")
            until(lambda: newest(ledger, home) == [(home, "peak", "peak season")])
            make(server, namespace, "audit")
            until(lambda: newest(ledger, home) == sorted([(home, "peak", "peak season"), (namespace, "audit", "")]))
        assert server.send("DELETE", f"{collection('PromotionFreeze', home)}/peak").accepted
        with OperatorProcess(plane.kubeconfig, tmp_path / "second", **settings):
            until(lambda: newest(ledger, home) == [(namespace, "audit", "")])
            assert server.send("DELETE", f"{collection('PromotionFreeze', namespace)}/audit").accepted
            until(lambda: newest(ledger, home) == [])
        assert [one.stamp.sequence for one in listed(ledger, home)] == [4, 3, 2, 1]


def home_of(server: ApiServer, namespace: str) -> str:
    """A namespace for an operator of its own."""
    name = f"{namespace}-operator"
    assert server.create("/api/v1/namespaces", {"metadata": {"name": name}}).accepted
    return name


def make(server: ApiServer, namespace: str, name: str, **spec: Any) -> None:
    """Somebody applies a freeze."""
    body = {"apiVersion": "marquee.dev/v1alpha1", "kind": "PromotionFreeze", "metadata": {"name": name}, "spec": spec}
    answer = server.create(collection("PromotionFreeze", namespace), body)
    assert answer.accepted, answer.message


def listed(ledger: Ledger, home: str) -> list[Statement]:
    """What the log has of freezes, the newest first."""
    page = httpx.get(f"{ledger.url}{AUDIT_MODELS_PATH}/{home}/{FREEZES}", trust_env=False).json()
    return [read_entry(base64.b64decode(one["entry"])) for one in page["entries"]]


def newest(ledger: Ledger, home: str) -> list[tuple[str, str, str]] | None:
    """The newest list: namespace, name and reason; None before there is one."""
    found = listed(ledger, home)
    event = found[0].event if found else None
    if not isinstance(event, FreezesChanged):
        return None
    return [(one.namespace, one.name, one.reason) for one in event.freezes]


def until(done: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
