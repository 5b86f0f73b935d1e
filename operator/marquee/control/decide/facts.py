"""The few truths that the state table asks for, computed once from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from marquee.api.conditions import Reason
from marquee.api.marketing_model import ServingClass
from marquee.api.model_revision import ModelRevision
from marquee.contract.holding import ANNOTATION_FREEZE, read_hold
from marquee.contract.pod import Setting
from marquee.control.decide.approving import Weighed, weigh
from marquee.control.decide.diagnosing import Diagnosis, diagnose
from marquee.control.decide.freezing import Held, held
from marquee.control.decide.ratio import canary_pods
from marquee.control.decide.resolving import Resolution, resolve
from marquee.control.decide.rollouts import RolloutFacts, gather_rollout
from marquee.control.decide.safety import Kill, fallback_named, kill_of, resolve_safe
from marquee.control.decide.scaling import is_asleep, wanted_replicas
from marquee.control.kinds import SERVICE
from marquee.control.render import names
from marquee.control.snapshot import Child, DeploymentState, PodState, Snapshot
from marquee.judging.fairness import Fairness, fairness_of


@dataclass(frozen=True, slots=True)
class Arm:
    """One revision and its pods."""

    name: str
    deployment: DeploymentState | None
    pods: tuple[PodState, ...]
    wanted_replicas: int
    full_replicas: int
    """What it needs to answer everybody; more than the wanted ones while its pods are its share."""
    verified: bool
    """A probe prediction has proven which bytes it serves, now or before it became stable."""
    probe_failure: str
    diagnosis: Diagnosis | None
    urgent: bool = False
    """It is to answer at once, with the pods that it has."""

    @property
    def ready(self) -> bool:
        """The wanted number of pods, all of the current template, all available; when it is urgent, any."""
        if self.urgent:
            return self.available
        return (
            self.deployment is not None and self.deployment.settled and self.deployment.replicas == self.wanted_replicas
        )

    @property
    def full(self) -> bool:
        """It may take over with the pods that it is to have now."""
        return self.wanted_replicas == self.full_replicas

    @property
    def available(self) -> bool:
        """At least one pod answers."""
        return self.deployment is not None and self.deployment.available_replicas > 0

    @property
    def refuted(self) -> bool:
        """The last probe prediction was wrong, and none has proven anything else."""
        return self.probe_failure != "" and not self.verified


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
    """Arms that users left a moment ago, or are still sent to by a gateway that has not heard of it."""
    strangers: bool
    """There are pods of a revision that neither is wanted nor serves."""
    drained_at: datetime | None
    rollout: RolloutFacts
    route_refusal: str
    """Why traffic can't be split: no gateway carries the model's route, or the Service can't remember it.

    Empty when it can.
    """

    @property
    def stable_counts_nothing(self) -> bool:
        """The pods of the serving revision do not stamp their requests, and nobody else does."""
        deployment = self.stable.deployment if self.stable is not None else None
        if deployment is None or not self.rollout.by_pods or self.rollout.record is None:
            return False
        return self.rollout.record.stamping and Setting.STAMPING.value.encode() not in deployment.child.body

    external: bool
    """Somebody else deploys the pods and moves the traffic."""
    judgeable: bool
    """There is a ledger, which can be asked for verdicts."""
    routed: bool = False
    """Users come through a gateway: `spec.traffic` is set."""
    kill: Kill | None = None
    """The kill switch is engaged: the wanted revision is the fallback."""
    approvals: Weighed | None = None
    """Of the wanted revision; None where the spec asks for none, or users go back."""
    fairness: Fairness | None = None
    """Of the wanted revision; None where the spec asks for none, or users go back."""
    held: Held | None = None
    """No revision may get more users at this time."""
    standby: str | None = None
    """The fallback that the spec names; it has pods, also while nobody wants them."""
    asleep: bool = False
    """The wanted revision has no pods, and its scaling allows that."""

    @property
    def revision(self) -> ModelRevision:
        """The wanted revision; only rows past `Blocked` may ask."""
        assert self.resolution.revision is not None  # noqa: S101 - the first row of the table
        return self.resolution.revision


def gather(snapshot: Snapshot) -> Facts:
    """The facts of a snapshot."""
    service = snapshot.child(SERVICE, snapshot.model.metadata.name)
    serving = _serving_revision(snapshot, service)
    resolution = resolve(snapshot)
    rollout = gather_rollout(snapshot, service, serving, resolution.revision)
    standby, kill = fallback_named(snapshot), kill_of(snapshot.model)
    if kill is not None:
        resolution, rollout = resolve_safe(snapshot, rollout.record, serving), rollout.halted()
    elif rollout.rejected:
        resolution = _instead(snapshot, rollout, serving)
    wanted = resolution.revision.metadata.name if resolution.revision else None
    stable = _arm(snapshot, rollout, serving, None) if serving is not None and serving != wanted else None
    target = _arm(snapshot, rollout, wanted, stable, urgent=kill is not None) if wanted is not None else None
    drained_at, previous = _drain_of(snapshot, service)
    others = [
        state
        for state in snapshot.deployments
        if state.child.name not in (wanted, serving, standby) and not state.child.deleting
    ]
    has_time = drained_at is not None and snapshot.now < drained_at
    is_sent_to = snapshot.route is not None and snapshot.route.behind
    draining = tuple(state for state in others if state.child.name == previous and (has_time or is_sent_to))
    return Facts(
        resolution=resolution,
        service=service,
        serving=serving,
        target=target,
        stable=stable,
        leftovers=tuple(state for state in others if state not in draining),
        draining=draining,
        strangers=bool(others) or any(_is_up_of_another(pod, wanted, serving, standby) for pod in snapshot.pods),
        drained_at=drained_at,
        rollout=rollout,
        route_refusal=_route_refusal(snapshot, service),
        external=snapshot.model.spec.serving.class_ is ServingClass.EXTERNAL and not snapshot.spec_error,
        judgeable=snapshot.ledger is not None,
        routed=snapshot.model.spec.traffic is not None,
        kill=kill,
        approvals=_approvals(snapshot, resolution) if kill is None and not rollout.rejected else None,
        fairness=_fairness(snapshot, resolution) if kill is None and not rollout.rejected else None,
        held=_held(snapshot) if stable is not None and kill is None else None,
        standby=standby,
        asleep=target is not None and is_asleep(snapshot, target.deployment),
    )


def _approvals(snapshot: Snapshot, resolution: Resolution) -> Weighed | None:
    return weigh(snapshot, resolution.revision) if resolution.revision is not None else None


def _fairness(snapshot: Snapshot, resolution: Resolution) -> Fairness | None:
    governance = snapshot.model.spec.governance
    if governance is None or governance.fairness is None or resolution.revision is None:
        return None
    return fairness_of(governance.fairness, resolution.revision)


def _held(snapshot: Snapshot) -> Held | None:
    said = read_hold(snapshot.model.metadata.annotations.get(ANNOTATION_FREEZE))
    return held(snapshot.model.spec.rollout, said, snapshot.now, snapshot.freezes)


def _instead(snapshot: Snapshot, rollout: RolloutFacts, serving: str | None) -> Resolution:
    """What stands for a rejected revision: the one that serves, after an undone promotion the one before."""
    assert rollout.record is not None  # noqa: S101 - what is rejected has a record
    name = rollout.record.stable if rollout.undone or serving is None else serving
    if (revision := snapshot.revision(name)) is not None:
        return Resolution(revision)
    return Resolution(
        None,
        Reason.REVISION_NOT_FOUND,
        f"revision {rollout.record.revision} was taken back, and ModelRevision {name!r}, which stands for it, does not "
        "exist; create it again, or name another revision in spec.revision",
    )


def _route_refusal(snapshot: Snapshot, service: Child | None) -> str:
    if snapshot.model.spec.traffic is None and not snapshot.model.spec.splits_by_pods:
        return ""
    if service is not None and service.deleting:
        return "the model's Service is on its way out, and with it what it remembers of rollouts; it is made again"
    if snapshot.model.spec.traffic is None:
        return ""
    refusal = "the route is not made yet" if snapshot.route is None else snapshot.route.refusal
    return f"spec.traffic.gateway: {refusal}" if refusal else ""


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


def _is_up_of_another(pod: PodState, *revisions: str | None) -> bool:
    return pod.revision not in {*revisions, ""} and not pod.deleting


def _arm(snapshot: Snapshot, rollout: RolloutFacts, name: str, stable: Arm | None, *, urgent: bool = False) -> Arm:
    state = snapshot.deployment(name)
    if state is not None and state.child.deleting:
        state = None
    pods = tuple(pod for pod in snapshot.pods if pod.revision == name)
    probe, is_proven = snapshot.probe, _is_proven(snapshot, name)
    beside = stable.deployment if stable is not None and not urgent else None
    # a pod on its way out may be of a former template: what it has shown says nothing about the others
    probed = probe is not None and any(pod.uid == probe.pod_uid and not pod.deleting for pod in pods)
    full = wanted_replicas(snapshot, rollout, state, beside, proven=is_proven)
    return Arm(
        name=name,
        deployment=state,
        pods=pods,
        wanted_replicas=_share(snapshot, rollout, stable, full) if stable is not None and rollout.by_pods else full,
        full_replicas=full,
        verified=is_proven or (probed and probe is not None and probe.passed),
        probe_failure=probe.message if probed and probe is not None and not probe.passed else "",
        diagnosis=diagnose(state, pods, _others(snapshot, name)) if state is not None else None,
        urgent=urgent,
    )


def _others(snapshot: Snapshot, name: str) -> tuple[DeploymentState, ...]:
    return tuple(state for state in snapshot.deployments if state.child.name != name)


def _is_proven(snapshot: Snapshot, name: str) -> bool:
    """Whether the status says so, about the same bytes: a ModelRevision may be deleted and its name used again."""
    proven, revision = snapshot.model.status.stable, snapshot.revision(name)
    if proven is None or proven.revision != name:
        return False
    return revision is None or revision.spec.artifact.digest == proven.digest


def _share(snapshot: Snapshot, rollout: RolloutFacts, stable: Arm, full: int) -> int:
    """The canary's pods beside stable's: those of its step's weight, or in the end all that it needs alone."""
    if rollout.filling:
        return full
    weight = snapshot.model.spec.rollout.steps[0].weight
    if rollout.running and rollout.record is not None:
        weight = rollout.record.weight
    beside = stable.deployment.replicas if stable.deployment is not None else snapshot.model.spec.scaling.min_replicas
    return canary_pods(beside, weight)
