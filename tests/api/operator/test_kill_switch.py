"""The kill switch on a real API server: who answers, how soon, and that no user finds nobody."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from marquee.contract.holding import ANNOTATION_KILL, Hold
from marquee.control.render.incident import read_incident
from tests.api.operator.team import Team
from tests.api.operator.users import Users

FALLBACK = {"fallback": {"revision": "lead-rules"}}


@pytest.fixture
def lead(team: Team) -> Team:
    """``lead-v1`` serves, and ``lead-rules`` stands by."""
    team.revision("lead-v1")
    team.revision("lead-rules", digest="sha256:" + "7" * 64)
    team.model("lead", "lead-v1", killSwitch=FALLBACK)
    team.serves("lead", "lead-v1")
    team.wait(lambda: team.condition("lead", "SafeState").get("reason") == "StandingBy", "the fallback stands by")
    return team


def turn(team: Team, *, on: bool) -> None:
    """What ``kubectl marquee kill`` and ``unkill`` write."""
    hold = Hold(on=on, by="anna", reason="prices are wrong", at=datetime.now(UTC).isoformat())
    team.edit("MarketingModel", "lead", {"metadata": {"annotations": {ANNOTATION_KILL: hold.to_text()}}})


def test_all_users_go_to_the_fallback_and_none_finds_nobody(lead: Team) -> None:
    """While a newer revision waits, which gets nobody until the switch is lifted."""
    with Users(lead, "lead") as users:
        lead.wait(lambda: users.answered["lead-v1"] > 100, "users come")
        turned = time.monotonic()
        turn(lead, on=True)
        lead.wait(lambda: users.newest == "lead-rules", "the fallback answers")
        lead.wait(lambda: lead.condition("lead", "SafeState").get("status") == "True", "the condition says so")
        assert users.last["lead-v1"] - turned < 15, "the goal is 5 s; a busy machine is allowed more"
        told = read_incident(lead.the("Service", "lead")["metadata"]["annotations"]["marquee.dev/incident"])
        assert told is not None
        assert told.halt is not None
        print(f"halted in {told.halt} ms; the last other answer came {users.last['lead-v1'] - turned:.2f} s after")
        lead.revision("lead-v2", digest="sha256:" + "2" * 64)
        lead.model("lead", "lead-v2", killSwitch=FALLBACK)
        lead.wait(lambda: lead.condition("lead").get("reason") == "KillSwitch", "the newer revision is seen")
        assert lead.names("Deployment") == ["lead-rules"]
        assert users.newest == "lead-rules"
        turn(lead, on=False)
        lead.wait(lambda: users.newest == "lead-v2", "what the spec names comes back")
    assert users.failures == []
    lead.serves("lead", "lead-v2")
    lead.wait(lambda: lead.names("Deployment") == ["lead-rules", "lead-v2"], "the fallback stands by again")
    events = lead.cluster.server.get(f"/apis/events.k8s.io/v1/namespaces/{lead.namespace}/events")["items"]
    assert any(event["reason"] == "KillSwitch" and "anna: prices are wrong" in event["note"] for event in events)


def test_the_spec_engages_it_as_well(lead: Team) -> None:
    """GitOps: one field; while either the spec or a person says so, it is engaged."""
    turn(lead, on=True)
    lead.model("lead", "lead-v1", killSwitch=FALLBACK | {"engaged": True})
    lead.wait(lambda: lead.receives("lead") == "lead-rules", "the fallback answers")
    turn(lead, on=False)
    lead.touch("lead")
    lead.wait(lambda: "spec.killSwitch" in lead.condition("lead", "SafeState").get("message", ""), "the spec counts")
    assert lead.receives("lead") == "lead-rules"
    lead.model("lead", "lead-v1", killSwitch=FALLBACK)
    lead.serves("lead", "lead-v1")
