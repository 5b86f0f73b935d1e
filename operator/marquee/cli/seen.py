"""A MarketingModel as the plugin shows it: read from JSON, forgiving about what another version adds or leaves out.

The types of `marquee.api` would check the whole spec, and importing them takes longer than asking the cluster; a test
holds these names against theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from marquee.cli.problems import ClusterProblem
from marquee.cli.screen import clean
from marquee.contract.command import ANNOTATION_COMMAND, Command, read_command

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A revision and its pods."""

    revision: str
    since: str
    replicas: int
    ready_replicas: int

    @classmethod
    def read(cls, body: Body | None) -> Self | None:
        """From ``status.stable`` or ``status.canary``."""
        if not body:
            return None
        return cls(
            revision=_text(body, "revision"),
            since=_text(body, "since"),
            replicas=int(body.get("replicas", 0)),
            ready_replicas=int(body.get("readyReplicas", 0)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric's evidence in the operator's words."""

    metric: str
    counts: str
    harm: str
    non_inferiority: str

    @classmethod
    def read(cls, body: Body) -> Self:
        """From an item of ``status.rollout.evidence``."""
        return cls(
            metric=_text(body, "metric"),
            counts=_text(body, "counts"),
            harm=_text(body, "harm"),
            non_inferiority=_text(body, "nonInferiority"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The newest rollout with steps."""

    name: str
    revision: str
    step: int
    """From 0."""
    progress: str
    weight: int
    """Percent of the users."""
    realised: str
    """Without a gateway: the share that pods come to; else empty."""
    started: str
    step_started: str
    verdict: str
    message: str
    forecast: str
    result: str
    """Empty while it is under way."""
    evidence: tuple[Metric, ...]

    @property
    def step_in_words(self) -> str:
        """Such as 'step 2 of 4'."""
        number, _, total = self.progress.partition("/")
        return f"step {number} of {total}" if total else f"step {self.step + 1}"

    @classmethod
    def read(cls, body: Body | None) -> Self | None:
        """From ``status.rollout``."""
        if not body:
            return None
        return cls(
            name=_text(body, "name"),
            revision=_text(body, "revision"),
            step=int(body["step"]),
            progress=_text(body, "progress"),
            weight=int(body["weight"]),
            realised=_text(body, "realised"),
            started=_text(body, "started"),
            step_started=_text(body, "stepStarted"),
            verdict=_text(body, "verdict"),
            message=_text(body, "message"),
            forecast=_text(body, "forecast"),
            result=_text(body, "result"),
            evidence=tuple(Metric.read(item) for item in body.get("evidence", ())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the commands look at."""

    namespace: str
    name: str
    generation: int
    observed_generation: int
    resource_version: str
    phase: str
    ready_message: str
    paused: bool
    """``spec.rollout.paused``."""
    stable: Arm | None
    canary: Arm | None
    rollout: Rollout | None
    command: Command | None
    """The newest command, when it is about this rollout."""
    body: Body
    """All of it, for whoever needs the types."""

    @property
    def path(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def is_current(self) -> bool:
        """Whether the status is about the spec as it is."""
        return self.observed_generation == self.generation

    def require_rollout(self) -> Rollout:
        """The newest rollout. Raises `ClusterProblem` when there has been none."""
        if self.rollout is None:
            raise ClusterProblem(f"{self.path} has had no rollout with steps: see spec.rollout.steps")
        return self.rollout


def read_model(text: str) -> Model:
    """The model in the API server's JSON.

    Raises:
        ClusterProblem: it has another shape.

    """
    try:
        return _model(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClusterProblem(
            f"the cluster's MarketingModel is not understood ({type(error).__name__}: {error}); "
            "use the plugin of the version of Marquee that the cluster has",
            lasting=True,
        ) from None


def manifest_in(text: str, path: str) -> Body:
    """The one MarketingModel in what kubectl has read from a file.

    Raises:
        ClusterProblem: it is something else, or more than one object.

    """
    try:
        body = json.loads(text)
    except ValueError:
        raise ClusterProblem(f"{path} holds more than one object: give a file with the MarketingModel alone") from None
    if not isinstance(body, dict) or body.get("kind") != "MarketingModel":
        kind = body.get("kind") if isinstance(body, dict) else None
        raise ClusterProblem(f"{path} holds a {kind or 'list'}, not a MarketingModel")
    return body


def _model(body: Body) -> Model:
    metadata, spec, status = body["metadata"], body["spec"], body.get("status", {})
    ready: Body = next((one for one in status.get("conditions", ()) if one.get("type") == "Ready"), {})
    rollout = Rollout.read(status.get("rollout"))
    command = read_command(metadata.get("annotations", {}).get(ANNOTATION_COMMAND))
    return Model(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        generation=int(metadata.get("generation", 0)),
        observed_generation=int(status.get("observedGeneration", 0)),
        resource_version=str(metadata.get("resourceVersion", "")),
        phase=_text(status, "phase"),
        ready_message=_text(ready, "message"),
        paused=bool(spec.get("rollout", {}).get("paused", False)),
        stable=Arm.read(status.get("stable")),
        canary=Arm.read(status.get("canary")),
        rollout=rollout,
        command=command if command is not None and rollout is not None and command.rollout == rollout.name else None,
        body=body,
    )


def _text(body: Body, field: str) -> str:
    return clean(str(body.get(field) or ""))
