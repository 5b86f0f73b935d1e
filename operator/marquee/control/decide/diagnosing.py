"""Why an arm's pods do not serve: the pods' own words first, then the kubelet's, then the Deployment's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from marquee.api.conditions import Reason
from marquee.contract.pod import Failure
from marquee.control.decide.devices import Holder, device_wanted
from marquee.control.render.names import SIDECAR
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


def diagnose(
    deployment: DeploymentState, pods: Collection[PodState], others: Iterable[DeploymentState] = ()
) -> Diagnosis | None:
    """The first known failure of an arm, or None while it may still become ready.

    Args:
        deployment: The arm's.
        pods: The arm's.
        others: Deployments of the model's other arms, which may hold what this one waits for.

    """
    # times are whole seconds: of two pods of the same one, who is not ready is the newer
    newest_first = sorted(
        (pod for pod in pods if not pod.deleting), key=lambda pod: (pod.created, not pod.ready), reverse=True
    )
    for pod in newest_first:
        if pod.template != newest_first[0].template:
            break  # made from a template that has been replaced since: its troubles are history
        if not pod.ready and (found := _diagnose_pod(pod) or _unschedulable(pod, deployment, pods, others)) is not None:
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
            bounded(f"{pod.waiting_message or pod.waiting_reason}; check {_field(pod)}.image and pull secrets"),
        )
    if pod.waiting_reason in _CONFIG_REASONS:
        see = f"see `kubectl describe pod -n {pod.namespace} {pod.name}`"
        return Diagnosis(
            Reason.CONTAINER_CONFIG_INVALID, bounded(f"{pod.waiting_message or pod.waiting_reason}; {see}")
        )
    if pod.termination_reason == "OOMKilled":
        raise_it = f"raise {_field(pod)}.resources.limits.memory"
        return Diagnosis(Reason.OUT_OF_MEMORY, f"killed at its memory limit; {raise_it}")
    if pod.restarts > CRASHES_TOLERATED:
        # the last line of a traceback is the one that says what happened
        said = [line for line in pod.termination_message.splitlines() if line.strip()]
        last = f": {bounded(said[-1], 400)}" if said else ""
        which = f"-c {SIDECAR} " if pod.container == SIDECAR else ""
        see = f"see `kubectl logs -n {pod.namespace} --previous {which}{pod.name}`"
        return Diagnosis(Reason.CRASH_LOOPING, f"restarted {pod.restarts} times{last}; {see}")
    return None


def _unschedulable(
    pod: PodState, deployment: DeploymentState, pods: Collection[PodState], others: Iterable[DeploymentState]
) -> Diagnosis | None:
    """What the scheduler says of a pod that it finds no node for; the node may come."""
    if not pod.unschedulable:
        return None
    holders = (*_former(pod, deployment, pods), *(_holder(other) for other in others if other.total_replicas > 0))
    if (want := device_wanted(pod.unschedulable, holders)) is not None:
        return Diagnosis(want.reason, bounded(want.message), may_pass=True)
    room = "make room, or change resources, nodeSelector or tolerations in spec.serving"
    return Diagnosis(Reason.UNSCHEDULABLE, bounded(f"{pod.unschedulable.rstrip('.')}; {room}"), may_pass=True)


def _former(pod: PodState, deployment: DeploymentState, pods: Collection[PodState]) -> Iterator[Holder]:
    """The arm itself, while it has pods of an earlier template on nodes."""
    if any(one.template != pod.template and not one.unschedulable for one in pods):
        yield replace(_holder(deployment), former=True)


def _holder(deployment: DeploymentState) -> Holder:
    return Holder(deployment.child.name, deployment.namespace, deployment.child.body)


def _field(pod: PodState) -> str:
    return "spec.serving.triton" if pod.container == SIDECAR else "spec.serving"


def bounded(text: str, limit: int = 700) -> str:
    """The text in one line, short enough for a condition's message with a sentence around it."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
