"""A model that somebody else deploys: the operator says so and makes nothing."""

from __future__ import annotations

from tests.api.operator.team import Team
from tests.support.judge import external
from tests.support.kinds import CHILDREN, collection


def test_model_of_others_gets_a_status_and_no_objects(team: Team) -> None:
    """Without a ledger nobody could be asked for a verdict: that is what the condition says."""
    body = external()
    body["metadata"] = {"name": "search"}
    answer = team.cluster.server.create(collection("MarketingModel", team.namespace), body)
    assert answer.accepted, answer.message
    message = team.fails("search", "LedgerUnavailable")["message"]
    assert message.startswith("spec.serving.class External: nobody could be asked for a verdict")
    assert team.status("search")["phase"] == "Blocked"
    found = [name for kind in CHILDREN for name in team.names(kind) if name.startswith("search")]
    assert found == []
