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
        refused = f"{deployment.creation_failure}; change what refuses it, such as a quota, or spec.serving"
        return Diagnosis(Reason.POD_CREATION_REFUSED, bounded(refused))
    if deployment.deadline_exceeded:
        return Diagnosis(
            Reason.PROGRESS_DEADLINE_EXCEEDED,
            "no progress within spec.rollout.progressDeadlineSeconds; "
            f"see `kubectl describe deployment -n {deployment.namespace} {deployment.child.name}`",
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
        see = f"see `kubectl describe pod -n {pod.namespace} {pod.name}`"
        return Diagnosis(
            Reason.CONTAINER_CONFIG_INVALID, bounded(f"{pod.waiting_message or pod.waiting_reason}; {see}")
        )
    if pod.termination_reason == "OOMKilled":
        return Diagnosis(Reason.OUT_OF_MEMORY, "killed at its memory limit; raise spec.serving.resources.limits.memory")
    if pod.restarts > CRASHES_TOLERATED:
        # the last line of a traceback is the one that says what happened
        said = [line for line in pod.termination_message.splitlines() if line.strip()]
        last = f": {bounded(said[-1], 400)}" if said else ""
        see = f"see `kubectl logs -n {pod.namespace} --previous {pod.name}`"
        return Diagnosis(Reason.CRASH_LOOPING, f"restarted {pod.restarts} times{last}; {see}")
    if pod.unschedulable:
        room = "make room, or change resources, nodeSelector or tolerations in spec.serving"
        return Diagnosis(Reason.UNSCHEDULABLE, bounded(f"{pod.unschedulable.rstrip('.')}; {room}"), may_pass=True)
    return None


def bounded(text: str, limit: int = 700) -> str:
    """The text in one line, short enough for a condition's message with a sentence around it."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
