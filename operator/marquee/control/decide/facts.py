"""The few truths that the state table asks for, computed once from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from marquee.api.marketing_model import ScalingClass
from marquee.api.model_revision import ModelRevision
from marquee.control.decide.diagnosing import Diagnosis, diagnose
from marquee.control.decide.resolving import Resolution, resolve
from marquee.control.kinds import SERVICE
from marquee.control.render import names
from marquee.control.snapshot import Child, DeploymentState, PodState, Snapshot


@dataclass(frozen=True, slots=True)
class Arm:
    """One revision and its pods."""

    name: str
    deployment: DeploymentState | None
    pods: tuple[PodState, ...]
    wanted_replicas: int
    verified: bool
    """A probe prediction has proven which bytes it serves, now or before it became stable."""
    probe_failure: str
    diagnosis: Diagnosis | None

    @property
    def ready(self) -> bool:
        """The wanted number of pods, all of the current template, all available."""
        return (
            self.deployment is not None and self.deployment.settled and self.deployment.replicas == self.wanted_replicas
        )

    @property
    def available(self) -> bool:
        """At least one pod answers."""
        return self.deployment is not None and self.deployment.available_replicas > 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows of the state table look at."""

    resolution: Resolution
    service: Child | None
    serving: str | None
    """Name of the revision that users are to reach until another has proven itself."""
    target: Arm | None
    """The wanted revision's arm."""
    stable: Arm | None
    """The serving revision's arm, when that is not the wanted one."""
    leftovers: tuple[DeploymentState, ...]
    """Arms that are neither wanted nor serving, and may go now."""
    draining: tuple[DeploymentState, ...]
    """Arms that users left a moment ago."""
    drained_at: datetime | None

    @property
    def revision(self) -> ModelRevision:
        """The wanted revision; only rows past `Blocked` may ask."""
        assert self.resolution.revision is not None  # noqa: S101 - the first row of the table
        return self.resolution.revision


def gather(snapshot: Snapshot) -> Facts:
    """The facts of a snapshot."""
    resolution = resolve(snapshot)
    service = snapshot.child(SERVICE, snapshot.model.metadata.name)
    serving = _serving_revision(snapshot, service)
    wanted = resolution.revision.metadata.name if resolution.revision else None
    stable = _arm(snapshot, serving, None) if serving is not None and serving != wanted else None
    target = _arm(snapshot, wanted, stable) if wanted is not None else None
    drained_at, previous = _drain_of(snapshot, service)
    others = [
        state
        for state in snapshot.deployments
        if state.child.name not in (wanted, serving) and not state.child.deleting
    ]
    draining = tuple(
        state
        for state in others
        if state.child.name == previous and drained_at is not None and snapshot.now < drained_at
    )
    return Facts(
        resolution=resolution,
        service=service,
        serving=serving,
        target=target,
        stable=stable,
        leftovers=tuple(state for state in others if state not in draining),
        draining=draining,
        drained_at=drained_at,
    )


def _serving_revision(snapshot: Snapshot, service: Child | None) -> str | None:
    """The revision that our last write of the Service selected, whatever somebody has made of the selector since;
    when they removed the Service itself, the one that has proven itself last."""
    if service is not None and not service.deleting:
        selected = service.annotations.get(names.ANNOTATION_SERVING_REVISION)
        if selected:
            return selected
    proven = snapshot.model.status.stable
    return proven.revision if proven is not None else None


def _drain_of(snapshot: Snapshot, service: Child | None) -> tuple[datetime | None, str]:
    """When the previous revision's connections have had their time, and that revision's name."""
    if service is None:
        return None, ""
    try:
        switched = datetime.fromisoformat(service.annotations.get(names.ANNOTATION_SWITCHED_AT, ""))
        drained = switched + timedelta(seconds=snapshot.model.spec.rollout.drain_seconds)
    except (ValueError, OverflowError):
        return None, ""
    if drained.tzinfo is None:
        return None, ""  # not written by us: ours have an offset
    return drained, service.annotations.get(names.ANNOTATION_PREVIOUS_REVISION, "")


def _arm(snapshot: Snapshot, name: str, stable: Arm | None) -> Arm:
    state = snapshot.deployment(name)
    if state is not None and state.child.deleting:
        state = None
    pods = tuple(pod for pod in snapshot.pods if pod.revision == name)
    probe = snapshot.probe
    # a pod on its way out may be of a former template: what it has shown says nothing about the others
    probed = probe is not None and any(pod.uid == probe.pod_uid and not pod.deleting for pod in pods)
    return Arm(
        name=name,
        deployment=state,
        pods=pods,
        wanted_replicas=_wanted_replicas(snapshot, name, state, stable),
        verified=_is_proven(snapshot, name) or (probed and probe is not None and probe.passed),
        probe_failure=probe.message if probed and probe is not None and not probe.passed else "",
        diagnosis=diagnose(state, pods) if state is not None else None,
    )


def _is_proven(snapshot: Snapshot, name: str) -> bool:
    """Whether the status says so, about the same bytes: a ModelRevision may be deleted and its name used again."""
    proven, revision = snapshot.model.status.stable, snapshot.revision(name)
    if proven is None or proven.revision != name:
        return False
    return revision is None or revision.spec.artifact.digest == proven.digest


def _wanted_replicas(snapshot: Snapshot, name: str, state: DeploymentState | None, stable: Arm | None) -> int:
    """A newcomer needs what stable has; who serves alone has what its scaler gives it.

    Until its status says that it serves, it is only ever scaled up: it may have taken over from many pods a
    moment before the operator was restarted.
    """
    scaling = snapshot.model.spec.scaling
    if scaling.class_ is ScalingClass.NONE:
        return scaling.min_replicas
    if stable is not None and stable.deployment is not None:
        return max(scaling.min_replicas, stable.deployment.replicas)
    if state is None:
        return scaling.min_replicas
    return state.replicas if _is_proven(snapshot, name) else max(scaling.min_replicas, state.replicas)
