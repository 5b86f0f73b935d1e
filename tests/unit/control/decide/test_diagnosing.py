"""Why pods do not serve: each cause has a reason of its own, and a message that says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.conditions import Reason
from marquee.contract.pod import Failure, FailureReason
from marquee.control.decide.diagnosing import diagnose
from marquee.control.snapshot import DeploymentState, PodState
from tests.unit.control.builders import Arm, a_pod, snapshot


def _deployment(**fields: Any) -> DeploymentState:
    (state,) = snapshot(arms={"churn-2": Arm(ready=0, **fields)}).deployments
    return state


def _troubled(index: int = 0, **fields: Any) -> PodState:
    return a_pod("churn-2", index, **({"ready": False} | fields))


CAUSES = {
    "the registry does not answer": (
        {"waiting_reason": "ErrImagePull", "waiting_message": "dial tcp: lookup registry.example.com"},
        Reason.IMAGE_PULL_FAILED,
        "dial tcp: lookup registry.example.com; check spec.serving.image and pull secrets",
    ),
    "the kubelet waits before it pulls again": (
        {"waiting_reason": "ImagePullBackOff"},
        Reason.IMAGE_PULL_FAILED,
        "ImagePullBackOff; check spec.serving.image and pull secrets",
    ),
    "the image has no valid name": (
        {"waiting_reason": "InvalidImageName", "waiting_message": "couldn't parse 'a b'"},
        Reason.IMAGE_PULL_FAILED,
        "couldn't parse 'a b'; check spec.serving.image and pull secrets",
    ),
    "the image is not on the node": (
        {"waiting_reason": "ErrImageNeverPull"},
        Reason.IMAGE_PULL_FAILED,
        "ErrImageNeverPull; check spec.serving.image and pull secrets",
    ),
    "a secret is missing": (
        {"waiting_reason": "CreateContainerConfigError", "waiting_message": "secret 'x' not found"},
        Reason.CONTAINER_CONFIG_INVALID,
        "secret 'x' not found; see `kubectl describe pod -n crm churn-2-0`",
    ),
    "the runtime refuses": (
        {"waiting_reason": "CreateContainerError", "waiting_message": "no such device"},
        Reason.CONTAINER_CONFIG_INVALID,
        "no such device; see `kubectl describe pod -n crm churn-2-0`",
    ),
    "the program is not in the image": (
        {"waiting_reason": "RunContainerError", "waiting_message": "exec: 'serve': not found"},
        Reason.CONTAINER_CONFIG_INVALID,
        "exec: 'serve': not found; see `kubectl describe pod -n crm churn-2-0`",
    ),
    "too little memory": (
        {"termination_reason": "OOMKilled", "restarts": 1},
        Reason.OUT_OF_MEMORY,
        "killed at its memory limit; raise spec.serving.resources.limits.memory",
    ),
    "Triton's image is not there": (
        {"container": "triton", "waiting_reason": "ErrImagePull", "waiting_message": "not found"},
        Reason.IMAGE_PULL_FAILED,
        "not found; check spec.serving.triton.image and pull secrets",
    ),
    "Triton has too little memory": (
        {"container": "triton", "termination_reason": "OOMKilled", "restarts": 1},
        Reason.OUT_OF_MEMORY,
        "killed at its memory limit; raise spec.serving.triton.resources.limits.memory",
    ),
    "Triton dies again and again": (
        {"container": "triton", "restarts": 3},
        Reason.CRASH_LOOPING,
        "restarted 3 times; see `kubectl logs -n crm --previous -c triton churn-2-0`",
    ),
    "it dies again and again": (
        {"restarts": 3, "termination_reason": "Error", "termination_message": "Segmentation fault"},
        Reason.CRASH_LOOPING,
        "restarted 3 times: Segmentation fault; see `kubectl logs -n crm --previous churn-2-0`",
    ),
    "it dies again and again without a word": (
        {"restarts": 4},
        Reason.CRASH_LOOPING,
        "restarted 4 times; see `kubectl logs -n crm --previous churn-2-0`",
    ),
    "no node has room": (
        {"unschedulable": "0/3 nodes are available: 3 Insufficient cpu."},
        Reason.UNSCHEDULABLE,
        (
            "0/3 nodes are available: 3 Insufficient cpu; "
            "make room, or change resources, nodeSelector or tolerations in spec.serving"
        ),
    ),
}


@pytest.mark.parametrize(("seen", "reason", "message"), CAUSES.values(), ids=CAUSES)
def test_a_cause_has_its_reason(seen: dict[str, Any], reason: Reason, message: str) -> None:
    """What the kubelet or the scheduler says becomes one reason and a message for people."""
    found = diagnose(_deployment(), [_troubled(**seen)])
    assert found is not None
    assert (found.reason, found.message) == (reason, message)


@pytest.mark.parametrize("reason", list(FailureReason))
def test_a_pods_own_words_come_first(reason: FailureReason) -> None:
    """A termination message of ours names the reason, even when the kubelet sees only a crash or lack of memory."""
    text = Failure(reason=reason, message="spec.artifact: what to do").to_text()
    for seen in ({}, {"restarts": 7}, {"termination_reason": "OOMKilled"}, {"waiting_reason": "CrashLoopBackOff"}):
        found = diagnose(_deployment(), [_troubled(termination_message=text, **seen)])
        assert found is not None
        assert (found.reason.value, found.message) == (reason.value, "spec.artifact: what to do")


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_a_crash_or_two_may_pass(restarts: int) -> None:
    """A container that died twice may still come up."""
    assert diagnose(_deployment(), [_troubled(restarts=restarts, termination_reason="Error")]) is None


def test_a_starting_pod_has_no_diagnosis() -> None:
    """Not ready yet is no failure."""
    assert diagnose(_deployment(), [_troubled(waiting_reason="ContainerCreating")]) is None
    assert diagnose(_deployment(), []) is None


def test_a_ready_pods_past_is_past() -> None:
    """What ended before the pod became ready does not count."""
    text = Failure(reason=FailureReason.ARTIFACT_UNREACHABLE, message="no route").to_text()
    assert diagnose(_deployment(), [_troubled(ready=True, restarts=9, termination_message=text)]) is None


def test_a_pod_on_its_way_out_does_not_count() -> None:
    """Troubles of a pod that is being deleted are over."""
    assert diagnose(_deployment(), [_troubled(deleting=True, restarts=9)]) is None


def test_only_the_current_template_counts() -> None:
    """A repaired spec makes new pods; what its former pods suffered from is history."""
    former = _troubled(0, template="a", created="2024-11-22T11:00:00Z", waiting_reason="ErrImagePull")
    current = _troubled(1, template="b", created="2024-11-22T11:30:00Z")
    assert diagnose(_deployment(), [former, current]) is None
    assert diagnose(_deployment(), [former]) is not None


def test_of_two_pods_of_one_second_the_one_that_is_not_ready_is_newer() -> None:
    """A change within a second of the first pod's creation: its successor's trouble is told all the same."""
    created = "2024-11-22T11:00:00Z"
    former = _troubled(0, template="a", created=created, ready=True)
    current = _troubled(1, template="b", created=created, waiting_reason="ErrImagePull")
    for pods in ([former, current], [current, former]):
        found = diagnose(_deployment(), pods)
        assert found is not None
        assert found.reason is Reason.IMAGE_PULL_FAILED


def test_any_pod_of_the_current_template_counts() -> None:
    """One broken pod among starting ones is enough."""
    found = diagnose(_deployment(), [_troubled(0, restarts=5), _troubled(1)])
    assert found is not None
    assert found.reason is Reason.CRASH_LOOPING


def test_pods_that_may_not_be_made_are_told() -> None:
    """A quota or a policy that refuses the pods is in the Deployment's words."""
    found = diagnose(_deployment(creation_failure='pods "x" is forbidden: exceeded quota'), [])
    assert found is not None
    assert (found.reason, found.message) == (
        Reason.POD_CREATION_REFUSED,
        'pods "x" is forbidden: exceeded quota; change what refuses it, such as a quota, or spec.serving',
    )


def test_no_progress_is_told_when_nothing_better_is_known() -> None:
    """The deadline names the field that sets it, and a known cause wins over it."""
    state = _deployment(deadline_exceeded=True)
    found = diagnose(state, [_troubled()])
    assert found is not None
    assert found.reason is Reason.PROGRESS_DEADLINE_EXCEEDED
    assert "spec.rollout.progressDeadlineSeconds" in found.message
    assert "kubectl describe deployment -n crm churn-2" in found.message
    better = diagnose(state, [_troubled(waiting_reason="ErrImagePull")])
    assert better is not None
    assert better.reason is Reason.IMAGE_PULL_FAILED


def test_a_missing_node_may_come_until_the_deadline() -> None:
    """A cluster autoscaler may bring room; after the progress deadline it is a failure."""
    pods = [_troubled(unschedulable="no room")]
    before, after = diagnose(_deployment(), pods), diagnose(_deployment(deadline_exceeded=True), pods)
    assert before is not None
    assert after is not None
    assert (before.may_pass, after.may_pass) == (True, False)
    broken = diagnose(_deployment(), [_troubled(restarts=9)])
    assert broken is not None
    assert not broken.may_pass


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "Traceback: ...", '{"reason": "New", "message": "x"}', '{"a":1}']
)
def test_other_words_at_the_end_are_no_failure_of_ours(text: str) -> None:
    """A termination message that is not ours, or of a newer predictor, is no reason; the pod may still start."""
    assert diagnose(_deployment(), [_troubled(termination_message=text)]) is None


def test_a_long_message_is_cut() -> None:
    """A condition's message is for people: its first 700 characters."""
    found = diagnose(_deployment(), [_troubled(unschedulable="x" * 5000)])
    assert found is not None
    assert len(found.message) == 700
    assert found.message.endswith("…")
