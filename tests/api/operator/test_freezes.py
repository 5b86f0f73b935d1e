"""Freezes on a real API server: a revision waits, and goes on when the person who froze it says so."""

from __future__ import annotations

from marquee.contract.holding import ANNOTATION_FREEZE, Hold
from tests.api.operator.team import QUICK, Team

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
