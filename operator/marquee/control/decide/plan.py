"""What a decision consists of: ordered writes, at most one probe, a status, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from marquee.api.conditions import Reason
from marquee.api.drift import Drift
from marquee.api.marketing_model import MarketingModelStatus
from marquee.audit.events import (
    ApprovalChanged,
    DriftJudged,
    FreezesChanged,
    KillSwitchTurned,
    RetrainingChanged,
    RolloutStepped,
    Subject,
)
from marquee.contract.ledger import RolloutDeclaration
from marquee.contract.stamping import Stamping
from marquee.control.kinds import Kind
from marquee.control.snapshot import Decision, RunMark


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of one manifest.

    ``create`` says that no object of ours has that name: the apply is then not forced, so that a foreign
    object of the same name is a conflict to report and not a victim.
    """

    kind: Kind
    manifest: dict[str, Any]
    create: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Sets the replicas of a Deployment through its scale subresource."""

    namespace: str
    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes one object, and only the very one that was observed."""

    kind: Kind
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One prediction by one pod, which must say that it serves these bytes."""

    pod_uid: str
    address: str
    model: str
    revision: str
    digest: str


@dataclass(frozen=True, slots=True)
class Declare:
    """Tells the ledger what a rollout is judged by, before a user sees its canary."""

    rollout: str
    declaration: RolloutDeclaration
    closes: str | None
    """The rollout before, which is over: its integers stay."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells the ledger of a step that pods are to stamp their requests with."""

    rollout: str
    stamping: Stamping


@dataclass(frozen=True, slots=True)
class DriftQuestion:
    """Whose windows of counters the next decision needs, and how they are judged."""

    revision: str
    drift: Drift


@dataclass(frozen=True, slots=True)
class Entry:
    """What the audit log must have before the writes that follow, unless it is there already."""

    decision: Decision
    event: RolloutStepped | KillSwitchTurned | ApprovalChanged | DriftJudged | FreezesChanged
    """Without actor and version, which whoever enters it adds."""
    subjects: tuple[Subject, ...]
    must_wait: bool = False
    """Nothing may be written while it cannot be entered."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """What the audit log must have of a retraining run before the writes that follow, unless it is there already."""

    mark: RunMark
    event: RetrainingChanged
    """Without actor and version, which whoever enters it adds."""
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class RetrainingStep:
    """What retraining does next: entries, then at most one object that is made once and never changed.

    A TrainJob refers to a TrainingRuntime, which is made before it.
    """

    entries: tuple[RunEntry, ...]
    kind: Kind | None = None
    manifest: dict[str, Any] = field(default_factory=dict)
    runtime: dict[str, Any] | None = None
    """Of a TrainJob."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes event for people."""

    warning: bool
    reason: Reason
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do now, in this order: declaration, stamp, entries, applies, scales, probe, deletes, the stamping's
    end, status, notices."""

    status: MarketingModelStatus
    declare: Declare | None = None
    stamp: Stamp | None = None
    entries: tuple[Entry, ...] = ()
    """Of the audit log, in their order: late ones, then the one that this plan's writes follow."""
    applies: tuple[Apply, ...] = ()
    scales: tuple[Scale, ...] = ()
    probe: Probe | None = None
    deletes: tuple[Delete, ...] = ()
    end_stamping: str | None = None
    """The rollout that no pod is to stamp for any more. Nothing depends on it: it is said again until it is heard."""
    notices: tuple[Notice, ...] = ()
    requeue_after_seconds: float | None = None
    follow: str | None = None
    """The rollout whose integers in the ledger the next decision needs."""
    follow_drift: DriftQuestion | None = None
    retraining: RetrainingStep | None = None
    """Apart from all else: serving never waits for it, and its failure is no refusal of the plan."""
