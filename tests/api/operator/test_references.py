"""Which revision a model wants: one by name, or the newest with certain labels; and what is said when there is none."""

from __future__ import annotations

import time

from tests.api.operator.team import Team

STABLE_CHANNEL = {"track": {"matchLabels": {"channel": "stable"}}}


def test_a_revision_that_does_not_exist_is_named_and_used_when_it_appears(team: Team) -> None:
    """The order in which people apply things does not matter."""
    team.model("lead", "lead-v1")
    message = team.fails("lead", "RevisionNotFound")["message"]
    assert message.startswith("spec.revision.name: ModelRevision 'lead-v1' does not exist in namespace ")
    assert "create it" in message
    assert team.condition("lead", "Stalled")["reason"] == "RevisionNotFound"
    assert team.is_gone("lead")
    team.revision("lead-v1")
    team.serves("lead", "lead-v1")


def test_a_revision_of_another_model_is_refused_and_stable_keeps_serving(team: Team) -> None:
    """A typing error must not bring churn scores to those who ask for leads."""
    team.revision("lead-v1")
    team.revision("churn-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.model("lead", "churn-v1")
    message = team.fails("lead", "RevisionOfOtherModel")["message"]
    assert "ModelRevision 'churn-v1' belongs to model 'churn', not 'lead'" in message
    assert message.endswith("revision lead-v1 keeps serving")
    assert team.receives("lead") == "lead-v1"
    assert team.names("Deployment") == ["lead-v1"]


def test_a_missing_revision_leaves_the_serving_one_alone(team: Team) -> None:
    """The name of a revision that is not there yet: what serves keeps serving, and says so."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.model("lead", "lead-v2")
    condition = team.fails("lead", "RevisionNotFound")
    assert condition["message"].endswith("revision lead-v1 keeps serving")
    assert team.status("lead")["stable"]["revision"] == "lead-v1"
    assert team.names("Deployment") == ["lead-v1"]
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.serves("lead", "lead-v2")


def test_deleting_the_serving_revision_stops_nothing(team: Team) -> None:
    """The pods know all they need; the condition says what is missing."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    pods = team.names("Pod")
    team.delete("ModelRevision", "lead-v1")
    message = team.fails("lead", "RevisionNotFound")["message"]
    assert "ModelRevision 'lead-v1' does not exist" in message
    assert team.names("Pod") == pods
    assert team.receives("lead") == "lead-v1"


def test_a_model_follows_the_newest_revision_of_its_channel(team: Team) -> None:
    """A label is a promotion: the newest revision with it takes over, without a change of the model."""
    team.model("lead", STABLE_CHANNEL)
    message = team.fails("lead", "NoRevisionMatches")["message"]
    assert "no ModelRevision of model 'lead' carries channel=stable; create or label one" in message
    team.revision("lead-v1", labels={"channel": "stable"})
    team.serves("lead", "lead-v1")
    time.sleep(1)  # creation times have whole seconds
    team.revision("lead-v2", labels={"channel": "beta"}, digest="sha256:" + "2" * 64)
    team.revision("churn-v9", labels={"channel": "stable"})
    team.serves("lead", "lead-v1")
    assert team.names("Deployment") == ["lead-v1"]
    team.edit("ModelRevision", "lead-v2", {"metadata": {"labels": {"channel": "stable"}}})
    team.serves("lead", "lead-v2")
    team.edit("ModelRevision", "lead-v2", {"metadata": {"labels": {"channel": None}}})
    team.serves("lead", "lead-v1")
