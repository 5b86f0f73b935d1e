"""Why an arm's pods do not serve: the pods' own words first, then the kubelet's, then the Deployment's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from marquee.api.conditions import Reason
from marquee.contract.pod import Failure
from marquee.control.snapshot import DeploymentState, PodState

CRASHES_TOLERATED: Final = 2
"""A container may die twice for reasons that pass (a node under pressure) before it counts as broken."""

_IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A condition's reason, and a message that says what to do."""

    reason: Reason
    message: str
    may_pass: bool = False
    """It may end without anybody's help: a cluster autoscaler brings the missing node."""


def diagnose(deployment: DeploymentState, pods: Iterable[PodState]) -> Diagnosis | None:
    """The first known failure of an arm, or None while it may still become ready."""
    newest_first = sorted((pod for pod in pods if not pod.deleting), key=lambda pod: pod.created, reverse=True)
    for pod in newest_first:
        if pod.template != newest_first[0].template:
            break  # made from a template that has been replaced since: its troubles are history
        if not pod.ready and (found := _diagnose_pod(pod)) is not None:
            return replace(found, may_pass=found.may_pass and not deployment.deadline_exceeded)
    if deployment.creation_failure:
        return Diagnosis(Reason.POD_CREATION_REFUSED, bounded(deployment.creation_failure))
    if deployment.deadline_exceeded:
        return Diagnosis(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            "no progress within spec.rollout.progressDeadlineSeconds; "
            f"see `kubectl describe deployment {deployment.child.name}`",
        )
    return None


def _diagnose_pod(pod: PodState) -> Diagnosis | None:
    if (failure := Failure.from_text(pod.termination_message)) is not None:
        return Diagnosis(Reason(failure.reason.value), bounded(failure.message))
    if pod.waiting_reason in _IMAGE_REASONS:
        return Diagnosis(
            Reason.IMAGE_PULL_FAILED,
            bounded(f"{pod.waiting_message or pod.waiting_reason}; check spec.serving.image and pull secrets"),
        )
    if pod.waiting_reason in _CONFIG_REASONS:
        return Diagnosis(Reason.CONTAINER_CONFIG_INVALID, bounded(pod.waiting_message or pod.waiting_reason))
    if pod.termination_reason == "OOMKilled":
        return Diagnosis(Reason.OUT_OF_MEMORY, "killed at its memory limit; raise spec.serving.resources.limits.memory")
    if pod.restarts > CRASHES_TOLERATED:
        last = f": {pod.termination_message}" if pod.termination_message else ""
        return Diagnosis(
            Reason.CRASH_LOOPING,
            bounded(f"restarted {pod.restarts} times{last}; see `kubectl logs --previous {pod.name}`"),
        )
    if pod.unschedulable:
        return Diagnosis(Reason.UNSCHEDULABLE, bounded(pod.unschedulable), may_pass=True)
    return None


def bounded(text: str, limit: int = 700) -> str:
    """The text, short enough for a condition's message with a sentence around it."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
