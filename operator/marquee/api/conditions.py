"""Conditions by the kstatus convention: `Ready` always, `Reconciling` and `Stalled` only while true, and what is lost
without a gateway while it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, Text, Timestamp


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    AUTOSCALER_READY = "AutoscalerReady"
    STICKY_ASSIGNMENT = "StickyAssignment"
    """There, and False, while steps have no gateway that could keep a user with an arm."""
    DRIFT_WITHIN_BOUNDS = "DriftWithinBounds"
    """There with ``spec.drift``; Unknown while nothing can be said."""
    PERFORMANCE_WITHIN_BOUNDS = "PerformanceWithinBounds"
    """There with ``spec.drift.performance``; Unknown while nothing can be said."""
    SAFE_STATE = "SafeState"
    """There while the kill switch is engaged, and True when its fallback answers everybody; False, with what stands by,
    while the spec names a fallback."""
    RETRAINING_UP_TO_DATE = "RetrainingUpToDate"
    """There with ``spec.retraining``; Unknown while a run is under way."""
    GOVERNANCE_RECORDED = "GovernanceRecorded"
    """There, and False, while the audit log is owed entries."""


class Reason(StrEnum):
    """Why; one word that people search for and alerts match on."""

    SERVING = "Serving"
    SERVED_BY_OTHERS = "ServedByOthers"
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
    GPU_NOT_FOUND = "GpuNotFound"
    GPU_IN_USE = "GpuInUse"
    GPU_CLAIM_PENDING = "GpuClaimPending"
    POD_CREATION_REFUSED = "PodCreationRefused"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    STABLE_UNAVAILABLE = "StableUnavailable"
    GATEWAY_UNAVAILABLE = "GatewayUnavailable"
    LEDGER_UNAVAILABLE = "LedgerUnavailable"
    AUDIT_UNAVAILABLE = "AuditUnavailable"
    ROLLOUT_STARTED = "RolloutStarted"
    STEP_PASSED = "StepPassed"
    SUPERSEDED = "Superseded"
    PAUSED = "Paused"
    AWAITING_APPROVAL = "AwaitingApproval"
    ABORTED = "Aborted"
    APPROVALS_MISSING = "ApprovalsMissing"
    FAIRNESS_MISSING = "FairnessMissing"
    FAIRNESS_EXCEEDED = "FairnessExceeded"
    FROZEN = "Frozen"
    KILL_SWITCH = "KillSwitch"
    STANDING_BY = "StandingBy"
    FALLBACK_UNAVAILABLE = "FallbackUnavailable"
    CANARY_UNAVAILABLE = "CanaryUnavailable"
    # of class KEDA
    ASLEEP = "Asleep"
    AUTOSCALING = "Autoscaling"
    AUTOSCALER_PENDING = "AutoscalerPending"
    AUTOSCALER_FAILING = "AutoscalerFailing"
    KEDA_UNAVAILABLE = "KedaUnavailable"
    DEMAND_UNAVAILABLE = "DemandUnavailable"
    OTHERS_LEAVING = "OthersLeaving"
    REPLICA_RATIO = "ReplicaRatio"
    PLAN_INCONCLUSIVE = "PlanInconclusive"
    # of drift: `marquee.evidence.drift.verdict.Tier`, and what keeps it from a verdict
    STABLE = "Stable"
    INVESTIGATE = "Investigate"
    RETRAIN = "Retrain"
    BROKEN_FEED = "BrokenFeed"
    INSUFFICIENT_DATA = "InsufficientData"
    NO_PROFILE = "NoProfile"
    # of performance: `marquee.judging.performing.PerformanceState`
    CONCEPT_DRIFT = "ConceptDrift"
    STALE = "Stale"
    # of retraining: `marquee.judging.retraining.Outcome`
    UP_TO_DATE = "UpToDate"
    IN_FLIGHT = "InFlight"
    FEED_BLOCKED = "FeedBlocked"
    BUDGET_USED = "BudgetUsed"
    COOLING_DOWN = "CoolingDown"
    SCHEDULE_INVALID = "ScheduleInvalid"
    CANDIDATE_WAITING = "CandidateWaiting"
    # of a TrainJob, for a run on many nodes
    TRAINER_UNAVAILABLE = "TrainerUnavailable"
    RUN_SUSPENDED = "RunSuspended"
    RUNTIME_UNSUPPORTED = "RuntimeUnsupported"
    # how a run ended without a candidate
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    RUN_FAILED = "RunFailed"
    RUN_LOST = "RunLost"
    RUN_REMOVED = "RunRemoved"
    NO_RESULT = "NoResult"
    RESULT_INVALID = "ResultInvalid"
    DIGEST_INVALID = "DigestInvalid"
    ARTIFACT_MISPLACED = "ArtifactMisplaced"
    METRIC_INVALID = "MetricInvalid"
    # told by the trainer: `marquee.contract.training.TrainingFailureReason`
    ARGUMENTS_INVALID = "ArgumentsInvalid"
    DATA_UNAVAILABLE = "DataUnavailable"
    DATA_MISMATCH = "DataMismatch"
    DATA_INSUFFICIENT = "DataInsufficient"
    SUPPRESSIONS_UNAVAILABLE = "SuppressionsUnavailable"
    OUTPUT_OCCUPIED = "OutputOccupied"
    OUTPUT_UNWRITABLE = "OutputUnwritable"
    NOT_REPRODUCED = "NotReproduced"
    NOT_PROMOTABLE = "NotPromotable"
    PEER_LOST = "PeerLost"
    # of the gate: `marquee.judging.gating.Ruling`
    GATE_PASSED = "GatePassed"
    TOO_FEW_ROWS = "TooFewRows"
    METRIC_MISSING = "MetricMissing"
    CHAMPION_NOT_COMPARED = "ChampionNotCompared"
    CHAMPION_BETTER = "ChampionBetter"
    WORSE_THAN_CHAMPION = "WorseThanChampion"
    WORSE_THAN_BASELINE = "WorseThanBaseline"
    SLICE_MISSING = "SliceMissing"
    SLICE_WORSE = "SliceWorse"
    # the evidence's: `marquee.evidence.rule.Reason`
    HARM_SHOWN = "HarmShown"
    NO_DATA = "NoData"
    SAMPLE_RATIO_MISMATCH = "SampleRatioMismatch"
    NON_INFERIOR = "NonInferior"
    INCONCLUSIVE = "Inconclusive"
    MINIMUM_NOT_REACHED = "MinimumNotReached"
    COLLECTING = "Collecting"
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
    MODEL_SERVER_UNREACHABLE = "ModelServerUnreachable"
    MODEL_REFUSED = "ModelRefused"


_STATUS: Final[dict[bool | None, Literal["True", "False", "Unknown"]]] = {True: "True", False: "False", None: "Unknown"}


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
    status: bool | None
    """None: unknown."""
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
        status = _STATUS[draft.status]
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
