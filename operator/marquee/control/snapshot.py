"""What a decision is made from: a model, its revisions, its children and the probe at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.promotion_freeze import PromotionFreezeSpec
from marquee.contract.ledger import RolloutStatistics
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE, SCALED_OBJECT, Kind
from marquee.judging.drifting import DriftVerdict

ModelKey = tuple[str, str]
"""Namespace and name of a MarketingModel: what the queue holds and every cache is asked for."""


@dataclass(frozen=True, slots=True)
class Child:
    """One stored object of ours, reduced to what a comparison with a manifest needs.

    The body is kept as JSON bytes: a thousand models have six thousand children, and parsed they take ten
    times the memory.
    """

    kind: Kind
    namespace: str
    name: str
    model: str
    uid: str
    generation: int
    owner_uid: str
    deleting: bool
    annotations: Mapping[str, str]
    body: bytes

    def manifest(self) -> dict[str, Any]:
        """The stored object without status and bookkeeping."""
        manifest: dict[str, Any] = orjson.loads(self.body)
        return manifest


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """How far a Deployment has come."""

    child: Child
    replicas: int
    observed_generation: int
    updated_replicas: int
    ready_replicas: int
    available_replicas: int
    total_replicas: int
    deadline_exceeded: bool
    creation_failure: str = ""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.child.namespace

    @property
    def model(self) -> str:
        """Whose it is."""
        return self.child.model

    @property
    def settled(self) -> bool:
        """Every pod is of the current template, and available."""
        return (
            self.observed_generation >= self.child.generation
            and self.updated_replicas >= self.replicas
            and self.available_replicas >= self.replicas
            and self.total_replicas <= self.replicas
        )


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod: who it is, whether it answers, and in whose words it does not."""

    namespace: str
    name: str
    model: str
    uid: str
    revision: str
    ip: str
    ready: bool
    deleting: bool
    restarts: int
    created: str
    template: str
    """Hash of the pod template it was made from."""
    container: str = "predictor"
    """Whose state the rest tells: the predictor, or its sidecar while that is what is missing."""
    waiting_reason: str = ""
    waiting_message: str = ""
    termination_reason: str = ""
    termination_message: str = ""
    unschedulable: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The last probe prediction of a pod. Kept in memory: a restarted operator probes again."""

    pod_uid: str
    passed: bool
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RouteState:
    """The model's HTTPRoute and what its gateway makes of it."""

    child: Child
    refusal: str
    """Why no gateway carries it; empty when one does."""
    behind: bool = False
    """A gateway still goes by an earlier version of it."""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.child.namespace

    @property
    def model(self) -> str:
        """Whose it is."""
        return self.child.model


@dataclass(frozen=True, slots=True)
class ScaledObjectState:
    """A ScaledObject of ours and what KEDA makes of it."""

    child: Child
    trouble: str | None
    """Why KEDA can't scale by it, in its own words; empty when it can, None before it has said anything."""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.child.namespace

    @property
    def model(self) -> str:
        """Whose it is."""
        return self.child.model


class JobPhase(StrEnum):
    """Where a Job stands."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobState:
    """What carries out a run, a Job or a TrainJob, and how it ended."""

    child: Child
    created: datetime
    phase: JobPhase
    run: str
    """Name of the run; a Job has the same."""
    finished: datetime | None = None
    reason: str = ""
    """The controller's, of one that has failed."""
    message: str = ""
    suspended: bool = False
    """Somebody lets it wait, such as a queue for a cluster's GPUs."""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.child.namespace

    @property
    def model(self) -> str:
        """Whose it is."""
        return self.child.model


@dataclass(frozen=True, slots=True)
class TrainerPodState:
    """One pod of a run, and what it has left."""

    namespace: str
    name: str
    model: str
    run: str
    created: str
    rank: int = 0
    """Of its node, where there are several: the first one tells the result."""
    exit_code: int | None = None
    """None while it has not ended."""
    reason: str = ""
    """The container runtime's, such as OOMKilled; of one that waits, why."""
    message: str = ""
    """The termination message, at most `MAX_MESSAGE_BYTES` of it; of one that waits, the kubelet's."""
    cut: bool = False
    """The message is longer than that."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a step of retraining could not be made. Kept in memory: a restarted operator tries at once."""

    reason: Reason
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Trainer:
    """What a Job takes from the operator when the model leaves it open, and whose name its revision gets."""

    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    author: str = ""
    """The operator, as the API server knows it; empty: revisions say no author, and nobody can approve them."""
    ledger_url: str = ""
    """Where a run learns whom it must not learn from; empty: there is no ledger."""


@dataclass(frozen=True, slots=True)
class Keda:
    """The cluster has KEDA; where its ScaledObjects learn of a revision's requests."""

    demand_url: str = ""
    """Address before ``/NAMESPACE/MODEL/REVISION``; empty: requests can't be scaled by."""
    authentication: str = ""
    """Name of the ClusterTriggerAuthentication for that address; empty: none is needed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a model's newest rollout from the ledger."""

    statistics: RolloutStatistics | None
    """The last integers that the ledger told; None while it knows no open rollout of this name, or was never read."""
    failure: str
    """Why the ledger cannot be read now; empty while it can."""
    as_of: datetime
    """When the ledger was asked for these statistics. Where it never answered: since when it does not."""
    failing_since: datetime | None = None
    """When the first of the failures in a row was; None while there is none."""
    unread: bool = False
    """Nobody has asked the ledger yet: that there are no statistics means nothing."""


@dataclass(frozen=True, slots=True)
class DriftReading:
    """What is known of drift from the ledger."""

    revision: str
    """Whose windows were judged."""
    verdict: DriftVerdict | None
    """The last verdict; None while there was none."""
    failure: str = ""
    """Why there is no new one; empty while there is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a decision about traffic leads; two that lead to the same place are the same."""

    rollout: str
    """Name of the newest rollout; empty: there was none."""
    step: int
    stage: str
    """``Running``, ``Filling``, or how the rollout has ended; empty without one."""
    shares: tuple[tuple[str, int], ...]
    """Revisions with the permille of users that each answers, in the order of names."""
    uid: str = ""
    """Of the MarketingModel: one of the same name that is made anew begins anew."""
    acted: str = ""
    """When it was acted upon, of one that was entered afterwards: RFC 3339."""

    def leads_where(self, other: Decision) -> bool:
        """Whether both lead to the same place, whenever they were entered."""
        return replace(self, acted="") == replace(other, acted="")


@dataclass(frozen=True, slots=True)
class RunMark:
    """What an entry about a retraining run says; two that say the same are the same."""

    uid: str
    """Of the MarketingModel."""
    run: str
    change: str


@dataclass(frozen=True, slots=True)
class LogReading:
    """What is known of a model's newest entry in the audit log. Kept in memory: a restarted operator asks again."""

    newest: Decision | None = None
    """What it says; None: nothing is known."""
    time: datetime | None = None
    """Of that entry."""
    failure: str = ""
    """Why the last attempt to enter something failed; empty when it did not."""
    failed_at: datetime | None = None
    marks: frozenset[RunMark] = frozenset()
    """What the newest entries say of retraining runs."""

    def paid(self, owed: Sequence[Decision]) -> int:
        """How many of the decisions that were acted upon without an entry have one now, in their order.

        What is owed is entered before anything else, so an entry from after the last of them has all of them before it.
        A first one that has an entry of its own time was entered in time after all, and only the answer was lost.
        """
        if self.newest is None or not owed:
            return 0
        if not self.newest.acted and self.time is not None and self.time > datetime.fromisoformat(owed[-1].acted):
            return len(owed)
        for number, decision in reversed(list(enumerate(owed, start=1))):
            if self.newest == decision:
                return number
        return int(not self.newest.acted and self.newest.leads_where(owed[0]))

    def has(self, wanted: Decision, owed: Sequence[Decision]) -> bool:
        """Whether a decision is entered that was made after those that are owed."""
        if self.newest is None or not self.newest.leads_where(wanted):
            return False
        return not owed or (not self.newest.acted and self.paid(owed) == len(owed))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a Deployment takes from the operator when the model leaves it open."""

    predictor_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    triton_image: str = ""
    """Of the container beside the front, where a model asks for one."""
    ledger_url: str = ""
    """Where pods report what they saw; empty: nowhere."""


@dataclass(frozen=True, slots=True)
class StandingFreeze:
    """A stored PromotionFreeze, over whatever days."""

    namespace: str
    name: str
    uid: str
    spec: PromotionFreezeSpec | None
    """None: this operator cannot read it."""
    editor: str = ""
    """Who has changed it last, as its annotation says; empty where it does not."""

    @property
    def path(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that `decide` may look at."""

    model: MarketingModel
    revisions: tuple[ModelRevision, ...]
    deployments: tuple[DeploymentState, ...]
    pods: tuple[PodState, ...]
    children: tuple[Child, ...]
    probe: ProbeResult | None
    defaults: Defaults
    now: datetime
    revisions_of_others: tuple[ModelRevision, ...] = field(default=())
    spec_error: str = ""
    route: RouteState | None = None
    ledger: Reading | None = None
    """None: the operator has no ledger."""
    scaled_objects: tuple[ScaledObjectState, ...] = ()
    keda: Keda | None = None
    """None: the cluster does not serve ScaledObjects."""
    drift: DriftReading | None = None
    """None: nobody has asked the ledger yet, or there is none."""
    audit: LogReading | None = None
    """None: the operator enters nothing in an audit log."""
    approvals: tuple[ModelApproval, ...] = ()
    """Of the model, whether or not they count; the oldest first."""
    freezes: tuple[StandingFreeze, ...] = ()
    """Over the model, by name: those of its namespace and of the operator's."""
    jobs: tuple[JobState, ...] = ()
    """Of retraining, TrainJobs among them."""
    training_runtimes: tuple[Child, ...] = ()
    """What TrainJobs of the same name refer to."""
    has_train_jobs: bool = False
    """Whether the cluster serves TrainJobs."""
    trainer_pods: tuple[TrainerPodState, ...] = ()
    trainer: Trainer = field(default_factory=Trainer)
    trouble: Trouble | None = None
    """Of the last step of retraining, when it failed."""

    def child(self, kind: Kind, name: str) -> Child | None:
        """The stored child of that kind and name."""
        for child in self.children:
            if child.name == name and child.kind == kind:
                return child
        if kind == SCALED_OBJECT:
            return next((state.child for state in self.scaled_objects if state.child.name == name), None)
        state, route = self.deployment(name), self.route
        if state is not None and kind == DEPLOYMENT:
            return state.child
        return route.child if route is not None and route.child.name == name and kind == HTTP_ROUTE else None

    def deployment(self, revision: str) -> DeploymentState | None:
        """The Deployment of a revision; it has the revision's name."""
        return next((state for state in self.deployments if state.child.name == revision), None)

    def revision(self, name: str) -> ModelRevision | None:
        """The revision of this model by name."""
        return next((revision for revision in self.revisions if revision.metadata.name == name), None)
