"""How a retraining run has ended, by what its Job or TrainJob and its pods say: each way to fail has its own reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final

import orjson
from pydantic import ValidationError

from marquee.api.conditions import Reason
from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.contract.retraining import RetrainingResult
from marquee.contract.training import MAX_MESSAGE_BYTES, TrainingFailureReason
from marquee.control.decide.diagnosing import bounded
from marquee.control.render.retraining import RunOrder
from marquee.control.snapshot import JobPhase, JobState, TrainerPodState

PATIENCE: Final = timedelta(seconds=30)
"""The watch of pods may be behind that of Jobs: so long what a pod has left is waited for."""
_MESSAGE_LIMIT: Final = 400
_OUT_OF_MEMORY: Final = "OOMKilled"
_DEADLINE: Final = "DeadlineExceeded"
_LOST: Final = frozenset({"BackoffLimitExceeded", "ReachedMaxRestarts"})
"""A Job's reason, and a TrainJob's that JobSet has started again as often as it may."""
_UNSUPPORTED: Final = "TrainingRuntimeNotSupported"
_SAY_NOTHING: Final = frozenset({_DEADLINE, _UNSUPPORTED})
"""Ends of which no pod knows anything."""
_WHERE_REASONS: Final = {
    "digest": Reason.DIGEST_INVALID,
    "dataDigest": Reason.DIGEST_INVALID,
    "codeDigest": Reason.DIGEST_INVALID,
    "parent": Reason.DIGEST_INVALID,
    "comparison": Reason.METRIC_INVALID,
    "metrics": Reason.METRIC_INVALID,
}
"""Part of a result that cannot be read, and what that is called."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over: it has left a result, or it has failed."""

    result: RetrainingResult | None = None
    reason: Reason = Reason.NO_RESULT
    """Of a failure."""
    message: str = ""


def read_end(
    model: str, order: RunOrder, job: JobState, pods: Sequence[TrainerPodState], now: datetime
) -> Ended | None:
    """How it ended; None while it is under way, or while what its pod says may not have been seen yet."""
    if job.phase is JobPhase.RUNNING:
        return None
    ended = [pod for pod in pods if pod.run == job.run and pod.exit_code is not None]
    last = _first_node(ended) if job.phase is JobPhase.COMPLETE else _culprit(ended)
    is_told = last is not None and (last.exit_code == 0 or job.phase is JobPhase.FAILED)
    if not is_told and job.reason not in _SAY_NOTHING and job.finished is not None and now < job.finished + PATIENCE:
        return None
    return _completed(model, order, last) if job.phase is JobPhase.COMPLETE else _failed(job, last)


def waiting_words(job: JobState, pods: Sequence[TrainerPodState], now: datetime) -> str:
    """Why a run that is under way does not run, in the kubelet's or the scheduler's words; empty where nothing is said.

    Why a Job gets no pod at all (a quota, a ServiceAccount that is not there) only its events tell.
    """
    mine = [pod for pod in pods if pod.run == job.run]
    kind = job.child.kind.kind
    if job.suspended:
        return f"its {kind} {job.child.name} is suspended: whoever did it, such as a queue, lets it run on"
    if not mine and job.phase is JobPhase.RUNNING and now >= job.created + PATIENCE:
        return f"it has no pod: see kubectl describe {kind.lower()} {job.child.name} -n {job.namespace}"
    said = [pod for pod in mine if pod.exit_code is None and pod.reason]
    return "; ".join(f"pod {pod.name}: {pod.reason} {_brief(pod.message)}".rstrip() for pod in said[-1:])


def _first_node(ended: Sequence[TrainerPodState]) -> TrainerPodState | None:
    """The pod that tells the result of all."""
    firsts = [pod for pod in ended if pod.rank == 0]
    return max(firsts, key=lambda pod: (pod.exit_code == 0, pod.created, pod.name), default=None)


def _culprit(ended: Sequence[TrainerPodState]) -> TrainerPodState | None:
    """The pod that says why a run has failed: of many nodes, one that has not only lost another."""

    def worth(pod: TrainerPodState) -> tuple[bool, bool, str, int, str]:
        return pod.exit_code != 0, pod.exit_code != EXIT_CODE_PEER_LOST, pod.created, -pod.rank, pod.name

    return max(ended, key=worth, default=None)


def _failed(job: JobState, last: TrainerPodState | None) -> Ended:
    if job.reason == _DEADLINE:
        words = "the run did not end within spec.retraining.run.deadlineSeconds"
        return Ended(reason=Reason.DEADLINE_EXCEEDED, message=words)
    if job.reason == _UNSUPPORTED:
        words = f"Kubeflow Trainer refuses the run: {_brief(job.message)}; see which versions docs/install.md asks for"
        return Ended(reason=Reason.RUNTIME_UNSUPPORTED, message=words)
    if last is not None and last.reason == _OUT_OF_MEMORY:
        words = "the trainer needs more memory than spec.retraining.run.resources.limits.memory"
        return Ended(reason=Reason.OUT_OF_MEMORY, message=words)
    if job.reason in _LOST:
        return Ended(reason=Reason.RUN_LOST, message=f"its pods were lost with their nodes: {_brief(job.message)}")
    if last is None:
        return Ended(reason=Reason.RUN_FAILED, message=f"{job.reason}: {_brief(job.message)}")
    said = _object(last.message)
    reason, words = str(said.get("reason", "")), _brief(str(said.get("message", "")))
    if reason in set(TrainingFailureReason) and reason in set(Reason):
        return Ended(reason=Reason(reason), message=words)
    told = f"{reason}: {words}" if reason else _brief(last.message) or "it left no message; see the pod's log"
    return Ended(reason=Reason.RUN_FAILED, message=f"the trainer ended with code {last.exit_code}: {told}")


def _completed(model: str, order: RunOrder, last: TrainerPodState | None) -> Ended:
    if last is None:
        return Ended(message="the run is complete, and its pod is gone with what it has left")
    if not last.message.strip():
        return Ended(message="the trainer ended well and wrote no result to its termination message")
    if last.cut:
        words = f"the termination message has more than {MAX_MESSAGE_BYTES} bytes, which no result has"
        return Ended(reason=Reason.RESULT_INVALID, message=words)
    try:
        result = RetrainingResult.model_validate_json(last.message)
    except ValidationError as error:
        return _unreadable(error)
    if result.model != model:
        words = f"the artifact is for model {result.model!r}: the trainer must take it from MARQUEE_MODEL"
        return Ended(reason=Reason.MODEL_MISMATCH, message=_brief(words))
    if _place(result.uri) != _place(order.uri):
        words = f"the artifact is at {result.uri!r}, and the run was to write to {order.uri}"
        return Ended(reason=Reason.ARTIFACT_MISPLACED, message=_brief(words))
    return Ended(result=result)


def _place(uri: str) -> str:
    """A folder of a claim has several names, and a trainer says the shortest; keys of a bucket are as they are."""
    scheme, separator, path = uri.partition("://")
    return f"{scheme}://{PurePosixPath(path)}" if separator and scheme == "pvc" else uri.rstrip("/")


def _unreadable(error: ValidationError) -> Ended:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    is_there = first["type"] != "missing"
    reason = _WHERE_REASONS.get(str(first["loc"][0])) if first["loc"] and is_there else None
    words = f"the result cannot be read: {where}: {first['msg']}" if where else f"no result: {first['msg']}"
    return Ended(reason=reason or Reason.RESULT_INVALID, message=_brief(words))


def _object(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _brief(text: str) -> str:
    return bounded(text, _MESSAGE_LIMIT)
