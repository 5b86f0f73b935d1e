"""Each way in which a revision's pods fail has its own reason, and stable does not notice."""

from __future__ import annotations

import pytest

from marquee.contract.pod import EXIT_CODE_FAILURE, Failure, FailureReason
from tests.api.operator.team import Team, container, ready
from tests.support.kinds import Object


def ended(message: str = "", *, reason: str = "Error", code: int = 1) -> Object:
    """A container's end."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def back_off(message: str = "back-off 10s restarting failed container") -> Object:
    """A container that waits for its next start."""
    return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}


def told(reason: FailureReason) -> Object:
    """A pod that has said itself why it cannot serve."""
    message = Failure(reason=reason, message=f"what {reason} is about; what to do").to_text()
    return container(back_off(), last=ended(message, code=EXIT_CODE_FAILURE), restarts=1)


CASES: dict[str, tuple[Object, str, str]] = {
    f"told {reason.value}": (told(reason), reason.value, f"what {reason} is about; what to do")
    for reason in FailureReason
} | {
    "image not found": (
        container({"waiting": {"reason": "ErrImagePull", "message": "registry.example/x:1: not found"}}),
        "ImagePullFailed",
        "registry.example/x:1: not found; check spec.serving.image",
    ),
    "image still not found": (
        container({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}),
        "ImagePullFailed",
        "check spec.serving.image",
    ),
    "image name": (
        container({"waiting": {"reason": "InvalidImageName"}}),
        "ImagePullFailed",
        "check spec.serving.image",
    ),
    "missing secret": (
        container({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "key" not found'}}),
        "ContainerConfigInvalid",
        'secret "key" not found; see `kubectl describe pod',
    ),
    "memory": (
        container(back_off(), last=ended(reason="OOMKilled", code=137), restarts=1),
        "OutOfMemory",
        "raise spec.serving.resources.limits.memory",
    ),
    "crash": (
        container(back_off(), last=ended('Traceback:\n  File "x.py"\nValueError: no such column'), restarts=3),
        "CrashLooping",
        "restarted 3 times: ValueError: no such column; see `kubectl logs -n ",
    ),
    "silent crash": (container({"running": {}}, last=ended(), restarts=4), "CrashLooping", "restarted 4 times; see"),
    "no node": (
        {
            "phase": "Pending",
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/3 nodes are available: 3 Insufficient cpu.",
                }
            ],
        },
        "Unschedulable",
        "0/3 nodes are available: 3 Insufficient cpu; make room, or change resources",
    ),
}


RECOVERS = "late"
"""The model whose image comes in the end."""


def name_of(case: str) -> str:
    """The case's own model."""
    return f"lead-{list(CASES).index(case)}"


@pytest.fixture(scope="module")
def failing(shared_team: Team) -> Team:
    """A model for each case, in which v1 serves and v2 fails in the case's own way; all at the same time."""
    models = {name_of(case): status for case, (status, _, _) in CASES.items()}
    models[RECOVERS] = CASES["image not found"][0]
    for model in models:
        shared_team.revision(f"{model}-v1")
        shared_team.model(model, f"{model}-v1")
    for model in models:
        shared_team.serves(model, f"{model}-v1")
        shared_team.revision(f"{model}-v2", digest="sha256:" + "2" * 64)
        shared_team.model(model, f"{model}-v2", **shared_team.held())
    for model, status in models.items():
        shared_team.pod_says(f"{model}-v2", status)
    return shared_team


@pytest.mark.parametrize("case", CASES)
def test_a_failing_revision_says_why_and_leaves_stable_alone(failing: Team, case: str) -> None:
    """The condition has the reason, what happened and what to do, in one line; users stay where they are."""
    _, reason, words = CASES[case]
    model = name_of(case)
    condition = failing.fails(model, reason)
    assert condition["status"] == "False"
    assert condition["message"].startswith(f"revision {model}-v2: ")
    assert words in condition["message"]
    assert condition["message"].endswith(f"; revision {model}-v1 keeps serving")
    assert "\n" not in condition["message"]
    status = failing.status(model)
    assert (status["stable"]["revision"], status["stable"]["readyReplicas"]) == (f"{model}-v1", 1)
    assert status["canary"]["revision"] == f"{model}-v2"
    assert failing.receives(model) == f"{model}-v1"
    stalls = reason != "Unschedulable"  # an autoscaler may bring the node
    assert bool(failing.condition(model, "Stalled")) == stalls
    assert bool(failing.condition(model, "Reconciling")) != stalls


def test_a_revision_that_recovers_takes_over(failing: Team) -> None:
    """A failure is no verdict: what becomes ready in the end is proven and serves."""
    failing.fails(RECOVERS, "ImagePullFailed")
    failing.pod_says(f"{RECOVERS}-v2", ready(failing.cluster.spare_address))
    failing.serves(RECOVERS, f"{RECOVERS}-v2")
    assert failing.condition(RECOVERS, "Stalled") == {}
    assert failing.receives(RECOVERS) == f"{RECOVERS}-v2"


def test_a_quota_on_pods_is_named(team: Team) -> None:
    """What refuses the pods is in the condition; when it is lifted, the model serves."""
    team.limit({"pods": "0"})
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    condition = team.fails("lead", "PodCreationRefused")
    assert "exceeded quota: limit" in condition["message"]
    team.limit({"pods": "5"})
    team.serves("lead", "lead-v1")


def test_a_quota_on_services_is_named(team: Team) -> None:
    """A child that may not be written stops the model; the message says what forbids it and that it is tried again."""
    team.limit({"services": "0"})
    team.revision("lead-v1")
    team.model("lead", "lead-v1")
    condition = team.fails("lead", "ApplyRejected")
    assert condition["message"].startswith("Service 'lead': ")
    assert "exceeded quota: limit" in condition["message"]
    assert condition["message"].endswith("tried again every 30 s")
    assert team.condition("lead", "Stalled")["reason"] == "ApplyRejected"
    team.limit({"services": "5"})
    team.touch("lead")
    team.serves("lead", "lead-v1")


def test_a_revision_without_progress_is_reported_after_its_deadline(slow: Team) -> None:
    """Pods that neither start nor say why are reported when spec.rollout.progressDeadlineSeconds is over."""
    condition = slow.fails("lead", "ProgressDeadlineExceeded")
    assert "spec.rollout.progressDeadlineSeconds" in condition["message"]
    assert slow.condition("lead", "Stalled")["status"] == "True"
