"""What a decision is made from: a model, its revisions, its children and the probe at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.control.kinds import Kind

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
class Defaults:
    """What a Deployment takes from the operator when the model leaves it open."""

    predictor_image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()


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

    def child(self, kind: Kind, name: str) -> Child | None:
        """The stored child of that kind and name."""
        stored = (*self.children, *(state.child for state in self.deployments))
        return next((child for child in stored if child.name == name and child.kind == kind), None)

    def deployment(self, revision: str) -> DeploymentState | None:
        """The Deployment of a revision; it has the revision's name."""
        return next((state for state in self.deployments if state.child.name == revision), None)

    def revision(self, name: str) -> ModelRevision | None:
        """The revision of this model by name."""
        return next((revision for revision in self.revisions if revision.metadata.name == name), None)
