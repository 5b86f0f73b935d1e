"""Reduces the objects that the API server sends to what decisions need; called once per watch event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from marquee.api.types import GROUP
from marquee.contract.training import MAX_MESSAGE_BYTES
from marquee.control.kinds import Kind
from marquee.control.render.acceptance import is_behind, why_not_accepted
from marquee.control.render.names import (
    CONTAINER,
    LABEL_MODEL,
    LABEL_REVISION,
    LABEL_RUN,
    LABEL_TRAINS,
    SIDECAR,
)
from marquee.control.snapshot import (
    Child,
    DeploymentState,
    JobPhase,
    JobState,
    PodState,
    RouteState,
    ScaledObjectState,
    TrainerPodState,
)

_MESSAGE_LIMIT = 4096
_ANNOTATION_PREFIX = f"{GROUP}/"


def child(kind: Kind, body: dict[str, Any]) -> Child:
    """Any child, by what a manifest of ours may name: metadata and everything beside status."""
    metadata = body["metadata"]
    owner: dict[str, Any] = next((o for o in metadata.get("ownerReferences", ()) if o.get("controller")), {})
    annotations = _ours(metadata.get("annotations") or {})
    kept = {key: value for key, value in body.items() if key != "status"}
    kept["metadata"] = {
        key: metadata[key] for key in ("name", "namespace", "labels", "ownerReferences") if key in metadata
    } | {"annotations": annotations}
    kept.setdefault("apiVersion", kind.api_version)
    kept.setdefault("kind", kind.kind)
    return Child(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        model=model_of(body) or "",
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        owner_uid=owner.get("uid", ""),
        deleting="deletionTimestamp" in metadata,
        annotations=annotations,
        body=_exact(orjson.dumps(kept)),
    )


def deployment(kind: Kind, body: dict[str, Any]) -> DeploymentState:
    """A Deployment with its progress."""
    status = body.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    progressing = conditions.get("Progressing", {})
    failure = conditions.get("ReplicaFailure", {})
    return DeploymentState(
        child=child(kind, body),
        replicas=body["spec"].get("replicas", 1),
        observed_generation=status.get("observedGeneration", 0),
        updated_replicas=status.get("updatedReplicas", 0),
        ready_replicas=status.get("readyReplicas", 0),
        available_replicas=status.get("availableReplicas", 0),
        total_replicas=status.get("replicas", 0),
        deadline_exceeded=progressing.get("reason") == "ProgressDeadlineExceeded",
        creation_failure=failure.get("message", "") if failure.get("status") == "True" else "",
    )


def route(kind: Kind, body: dict[str, Any]) -> RouteState:
    """An HTTPRoute with what its gateways say."""
    return RouteState(child=child(kind, body), refusal=why_not_accepted(body), behind=is_behind(body))


def scaled_object(kind: Kind, body: dict[str, Any]) -> ScaledObjectState:
    """A ScaledObject with what KEDA says of it."""
    conditions = {condition["type"]: condition for condition in (body.get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready", {})
    words = " ".join(ready[key] for key in ("reason", "message") if ready.get(key))
    trouble = "" if ready.get("status") == "True" else words[:_MESSAGE_LIMIT] or None
    return ScaledObjectState(child=child(kind, body), trouble=trouble)


def job(kind: Kind, body: dict[str, Any]) -> JobState:
    """A Job or a TrainJob with how it ended: both say it in the same way."""
    conditions = {condition["type"]: condition for condition in (body.get("status") or {}).get("conditions") or ()}
    for phase in (JobPhase.COMPLETE, JobPhase.FAILED):
        ended = conditions.get(phase.value, {})
        if ended.get("status") == "True":
            break
    else:
        phase, ended = JobPhase.RUNNING, {}
    finished = ended.get("lastTransitionTime")
    return JobState(
        child=child(kind, body),
        created=datetime.fromisoformat(body["metadata"]["creationTimestamp"]),
        phase=phase,
        run=_run_of(body) or body["metadata"]["name"],
        finished=datetime.fromisoformat(finished) if finished else None,
        reason=ended.get("reason", ""),
        message=ended.get("message", "")[:_MESSAGE_LIMIT],
        suspended=(body.get("spec") or {}).get("suspend") is True,
    )


def trainer_pod(_: Kind, body: dict[str, Any]) -> TrainerPodState:
    """A trainer's pod with what it has left. However long a message is, no more than a kubelet keeps is kept here."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    container: dict[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
    state = container.get("state") or {}
    terminated, waiting = state.get("terminated"), state.get("waiting") or _unscheduled(status)
    told = (terminated or waiting).get("message") or ""
    kept = told[: MAX_MESSAGE_BYTES + 1].encode()
    return TrainerPodState(
        namespace=metadata["namespace"],
        name=metadata["name"],
        model=trained_model_of(body) or "",
        run=_run_of(body) or labels.get("batch.kubernetes.io/job-name", ""),
        created=metadata.get("creationTimestamp", ""),
        rank=_number(labels.get("batch.kubernetes.io/job-completion-index", "")),
        exit_code=terminated.get("exitCode") if terminated else None,
        reason=(terminated or waiting).get("reason", "") or status.get("reason", ""),
        message=kept[:MAX_MESSAGE_BYTES].decode(errors="ignore"),
        cut=len(kept) > MAX_MESSAGE_BYTES,
    )


def _run_of(body: dict[str, Any]) -> str:
    return str((body["metadata"].get("labels") or {}).get(LABEL_RUN, ""))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0


def _unscheduled(status: dict[str, Any]) -> dict[str, Any]:
    """The scheduler's condition of a pod that has found no node."""
    conditions = status.get("conditions") or ()
    return next((one for one in conditions if (one["type"], one["status"]) == ("PodScheduled", "False")), {})


def trained_model_of(body: dict[str, Any]) -> str | None:
    """The model that a trainer's pod works for."""
    return (body["metadata"].get("labels") or {}).get(LABEL_TRAINS)


def pod(_: Kind, body: dict[str, Any]) -> PodState:
    """A pod with what its kubelet and its containers say: the predictor, unless its sidecar is what keeps it."""
    metadata, status = body["metadata"], body.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or ()}
    container = _troubled(status)
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting = state.get("waiting") or {}
    terminated = state.get("terminated") or last.get("terminated") or {}
    scheduled = conditions.get("PodScheduled", {})
    return PodState(
        namespace=metadata["namespace"],
        name=metadata["name"],
        model=model_of(body) or "",
        uid=metadata["uid"],
        revision=labels.get(LABEL_REVISION, ""),
        ip=status.get("podIP", ""),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        container=container.get("name", CONTAINER),
        restarts=container.get("restartCount", 0),
        created=metadata.get("creationTimestamp", ""),
        template=labels.get("pod-template-hash", ""),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", "")[:_MESSAGE_LIMIT],
        termination_reason=terminated.get("reason", ""),
        termination_message=(terminated.get("message") or "")[:_MESSAGE_LIMIT],
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
    )


def _troubled(status: dict[str, Any]) -> dict[str, Any]:
    """The container whose state tells how the pod is: the sidecar while it is not ready, and the front says nothing."""
    by_name = {
        container["name"]: container
        for container in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    }
    predictor: dict[str, Any] = by_name.get(CONTAINER, {})
    sidecar: dict[str, Any] = by_name.get(SIDECAR, {})
    ended = [(predictor.get(state) or {}).get("terminated") or {} for state in ("state", "lastState")]
    speaks = any(end.get("message") for end in ended)
    return sidecar if sidecar and not sidecar.get("ready") and not predictor.get("ready") and not speaks else predictor


def _ours(annotations: dict[str, str]) -> dict[str, str]:
    """Annotations that Marquee may have set; controllers count their work in others, which concerns nobody here."""
    return {key: value for key, value in annotations.items() if key.startswith(_ANNOTATION_PREFIX)}


def _exact(text: bytes) -> bytes:
    """A copy without slack: orjson leaves its whole buffer allocated, ten times the size of a small object."""
    return bytes(memoryview(text))


def model_of(body: dict[str, Any]) -> str | None:
    """The model that an object belongs to, by its label."""
    labels = body["metadata"].get("labels") or {}
    return str(labels[LABEL_MODEL]) if LABEL_MODEL in labels else None
