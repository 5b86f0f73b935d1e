"""What people read: kubectl get, kubectl describe, events."""

from __future__ import annotations

from tests.api.operator.team import Team, container, ready


def kubectl(team: Team, *arguments: str) -> str:
    return team.cluster.plane.kubectl("-n", team.namespace, *arguments)


def test_get_shows_what_serves_what_comes_and_why_not(team: Team) -> None:
    """One line a model: ready or not, why, stable, canary, pods."""
    team.revision("lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.model("lead", "lead-v1", scaling={"minReplicas": 2})
    team.serves("lead", "lead-v1")
    heading, serving = kubectl(team, "get", "mm").splitlines()
    columns = ["NAME", "READY", "REASON", "STABLE", "CANARY", "STEP", "WEIGHT", "VERDICT", "DRIFT", "REPLICAS", "AGE"]
    assert heading.split() == columns
    assert serving.split()[:5] == ["lead", "True", "Serving", "lead-v1", "2"]
    team.model("lead", "lead-v2", **team.held(scaling={"minReplicas": 2}))
    team.wait(lambda: "canary" in team.status("lead"), "the rollout has begun")
    (preparing,) = kubectl(team, "get", "mm", "--no-headers").splitlines()
    assert preparing.split()[:6] == ["lead", "False", "Preparing", "lead-v1", "lead-v2", "2"]
    (wide,) = kubectl(team, "get", "mm", "-o", "wide", "--no-headers").splitlines()
    assert "revision lead-v2 is coming up: 0 of 2 pods ready; revision lead-v1 keeps serving" in wide


def test_describe_tells_the_story(team: Team) -> None:
    """Events tell what failed, that it is over, and who took over from whom; each once."""
    team.revision("lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    team.model("lead", "lead-v2", **team.held())
    team.wait(lambda: "canary" in team.status("lead"), "the rollout has begun")
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "registry.example/x:1: not found"}}
    team.pod_says("lead-v2", container(waiting))
    team.fails("lead", "ImagePullFailed")
    team.pod_says("lead-v2", container({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}))
    team.wait(lambda: "Back-off" in team.condition("lead")["message"], "the newest message is shown")
    team.pod_says("lead-v2", ready(team.cluster.spare_address))
    team.serves("lead", "lead-v2")
    team.wait(lambda: "takes over" in _events(team), "the last event is written")
    told = [line.split(None, 4) for line in _events(team).splitlines() if "marquee.dev/operator" in line]
    assert sorted((kind, reason) for kind, reason, *_ in told) == [
        ("Normal", "Switching"),
        ("Warning", "ImagePullFailed"),
    ]
    text = kubectl(team, "describe", "mm", "lead")
    assert "registry.example/x:1: not found; check spec.serving.image and pull secrets" in text
    assert "revision lead-v2 takes over from lead-v1" in text


def test_an_event_says_when_a_failure_is_over(team: Team) -> None:
    """Whoever reads the warning learns that it is history."""
    team.model("lead", "lead-v1")
    team.fails("lead", "RevisionNotFound")
    team.revision("lead-v1")
    team.serves("lead", "lead-v1")
    team.wait(lambda: "revision lead-v1 is coming up" in _events(team), "the recovery is told")
    told = [line.split()[:2] for line in _events(team).splitlines() if "marquee.dev/operator" in line]
    assert sorted(told) == [["Normal", "Preparing"], ["Warning", "RevisionNotFound"]]


def _events(team: Team) -> str:
    """The events' part of ``kubectl describe``."""
    return kubectl(team, "describe", "mm", "lead").partition("Events:")[2]
