"""Drift on a real control plane with a real ledger: conditions, status, events; and nothing that serves is touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from marquee.contract.drift import SLICE_SECONDS, DriftBatch
from marquee.ledger.book.entries import CountDrift
from marquee.ledger.book.posting import post
from marquee.ledger.book.windows import SETTLE_SECONDS
from tests.api.operator.conftest import new_team, operator_of
from tests.api.operator.team import Team
from tests.support.drift import LAYOUT, counters_of, fill
from tests.support.ledger import Ledger, settings_of
from tests.support.operator import OperatorProcess
from tests.support.performance import SPEC, fill_outcomes
from tests.support.simulation import SimulatedCluster

UNTIL = (int(time.time()) - SETTLE_SECONDS) // 86_400


class Watched:
    """A namespace, the ledger that its operator asks, and the operator."""

    def __init__(self, team: Team, ledger: Ledger, operator: OperatorProcess) -> None:
        self.team = team
        self.ledger = ledger
        self.operator = operator
        self.model = f"{team.namespace}/lead"
        """As the ledger knows it."""

    def becomes(self, reason: str) -> dict[str, Any]:
        """Wait for the condition; the status. Before the ledger was asked there is a condition and no verdict yet."""

        def holds() -> bool:
            told = self.team.condition("lead", "DriftWithinBounds")
            return told.get("reason") == reason and told.get("message") != "the ledger was not asked yet"

        self.team.wait(holds, f"the verdict {reason}")
        found: dict[str, Any] = self.team.status("lead")["drift"]
        return found

    def events(self) -> list[str]:
        """Reasons of the events about drift."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.team.namespace}/events"
        wanted = {"Investigate", "Retrain", "BrokenFeed", "Stable", "NoProfile"}
        return [event["reason"] for event in self.team.cluster.server.get(path)["items"] if event["reason"] in wanted]


@pytest.fixture
def watched(elsewhere: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One model that serves, and asks for drift."""
    folder = tmp_path_factory.mktemp("drift")
    token = folder / "token"
    token.write_text("anybody", encoding="ascii")
    team = new_team(elsewhere)
    with Ledger(settings_of(folder)) as ledger:
        settings = {"ledger_url": ledger.url, "ledger_token_path": str(token), "drift_seconds": "0.3"}
        with operator_of(team, folder, **settings) as operator:
            team.revision("lead-v1")
            team.model("lead", "lead-v1", drift={})
            team.serves("lead", "lead-v1")
            yield Watched(team, ledger, operator)


def test_verdicts_are_told_and_serving_is_not_touched(watched: Watched) -> None:
    """From nothing known to a difference and a broken feed, each told once, and then silence."""
    team = watched.team
    assert watched.becomes("InsufficientData") == {
        "revision": "lead-v1",
        "verdict": "InsufficientData",
        "rows": 0,
        "message": "no pod of the revision has reported to the ledger yet",
        "suspects": [],
    }
    assert team.condition("lead", "DriftWithinBounds")["status"] == "Unknown"
    served = team.the("Deployment", "lead-v1")["metadata"]["generation"]
    database = watched.ledger.running.state.database
    fill(database, watched.model, "lead-v1", UNTIL, lambda number: {"city": 0.15} if number == 33 else {})
    found = watched.becomes("Investigate")
    assert [suspect["feature"] for suspect in found["suspects"]] == ["city"]
    assert found["rows"] == 4_000
    assert team.condition("lead", "DriftWithinBounds")["status"] == "False"
    assert team.condition("lead")["status"] == "True"
    assert watched.operator.metric("marquee_model_drift", model="lead", verdict="Investigate") == 1
    late = DriftBatch(
        b"f" * 12,
        0,
        LAYOUT.digest,
        watched.model,
        "lead-v1",
        (UNTIL - 1) * 86_400 // SLICE_SECONDS,
        counters_of(UNTIL - 1, missing=4_000),
    )
    with database.writer.begin() as connection:
        post(connection, database.bulk, [CountDrift(late, 1)])
    assert "age: Missing" in watched.becomes("BrokenFeed")["message"]
    team.wait(lambda: sorted(watched.events()) == ["BrokenFeed", "Investigate"], "an event for each verdict")
    assert team.the("Deployment", "lead-v1")["metadata"]["generation"] == served
    assert team.receives("lead") == "lead-v1"
    team.rests("lead")


def test_scores_that_do_not_keep_their_promise_are_told(watched: Watched) -> None:
    """The operator has the ledger count the outcome; three days with fewer than promised are concept drift."""
    team = watched.team
    fewer = lambda number: {"rate": 0.6} if number >= 29 else {}  # noqa: E731
    team.model("lead", "lead-v1", drift={"performance": SPEC})
    team.wait(lambda: reason_of(team) == "InsufficientData", "nothing is known yet")
    fill_outcomes(watched.ledger.running.state.database, watched.model, "lead-v1", UNTIL, fewer)
    team.wait(lambda: reason_of(team) == "ConceptDrift", "the verdict ConceptDrift")
    found = team.status("lead")["drift"]["performance"]
    assert found["calibrationGap"] < -0.2
    assert found["realisedAuc"] < found["promisedAuc"]
    assert watched.operator.metric("marquee_model_performance", model="lead", verdict="ConceptDrift") == 1
    assert team.condition("lead")["status"] == "True"


def reason_of(team: Team) -> str | None:
    reason: str | None = team.condition("lead", "PerformanceWithinBounds").get("reason")
    return reason


def test_without_the_block_the_condition_goes(watched: Watched) -> None:
    """Nothing is left of it."""
    team = watched.team
    watched.becomes("InsufficientData")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    assert "drift" not in team.status("lead")
    assert "DriftWithinBounds" not in {condition["type"] for condition in team.status("lead")["conditions"]}
