"""Conditions by the kstatus convention: `Ready` always, `Reconciling` and `Stalled` only while true."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, Text, Timestamp


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why; one word that people search for and alerts match on."""

    SERVING = "Serving"
    REVISION_NOT_FOUND = "RevisionNotFound"
    REVISION_OF_OTHER_MODEL = "RevisionOfOtherModel"
    NO_REVISION_MATCHES = "NoRevisionMatches"
    SPEC_INVALID = "SpecInvalid"
    NAME_CONFLICT = "NameConflict"
    APPLY_REJECTED = "ApplyRejected"
    PREPARING = "Preparing"
    SCALING = "Scaling"
    PROBING = "Probing"
    PROBE_FAILED = "ProbeFailed"
    SWITCHING = "Switching"
    DRAINING = "Draining"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_INVALID = "ContainerConfigInvalid"
    CRASH_LOOPING = "CrashLooping"
    OUT_OF_MEMORY = "OutOfMemory"
    UNSCHEDULABLE = "Unschedulable"
    POD_CREATION_REFUSED = "PodCreationRefused"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    STABLE_UNAVAILABLE = "StableUnavailable"
    # told by the pod itself: `marquee.contract.pod.FailureReason`
    ARTIFACT_UNREACHABLE = "ArtifactUnreachable"
    ARTIFACT_EMPTY = "ArtifactEmpty"
    DIGEST_MISMATCH = "DigestMismatch"
    MANIFEST_INVALID = "ManifestInvalid"
    SCHEMA_MISMATCH = "SchemaMismatch"
    MODEL_MISMATCH = "ModelMismatch"
    MODEL_LOAD_FAILED = "ModelLoadFailed"
    WARM_UP_FAILED = "WarmUpFailed"
    SETTINGS_INVALID = "SettingsInvalid"


class Condition(ApiModel):
    """``metav1.Condition``."""

    type: Annotated[str, StringConstraints(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    message: Annotated[str, StringConstraints(max_length=32768)]
    last_transition_time: Timestamp
    observed_generation: int = Field(ge=0)


class ConditionDraft(ApiModel):
    """A condition without its history."""

    type: ConditionType
    status: bool
    reason: Reason
    message: Text


def merge(
    previous: Iterable[Condition], drafts: Iterable[ConditionDraft], *, generation: int, now: str
) -> tuple[Condition, ...]:
    """The drafts as conditions; the transition time moves only when the status does.

    ``now`` is RFC 3339. Conditions that no draft names are dropped.
    """
    before = {condition.type: condition for condition in previous}
    merged = []
    for draft in drafts:
        status: Literal["True", "False"] = "True" if draft.status else "False"
        old = before.get(draft.type)
        since = old.last_transition_time if old is not None and old.status == status else now
        merged.append(
            Condition(
                type=draft.type.value,
                status=status,
                reason=draft.reason.value,
                message=draft.message,
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return tuple(merged)
