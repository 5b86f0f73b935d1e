"""How many pods an arm is to have, and which autoscalers a model has for it.

A number belongs to one writer at a time. Class None: the operator, to `minReplicas`. Otherwise it writes the first
number of a revision, and from then on a scaler does; where KEDA is asked for and absent, the operator sees to the
minimum and leaves a higher number alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from marquee.api.scaling import ScalingClass
from marquee.control.decide.rollouts import RolloutFacts
from marquee.control.kinds import HORIZONTAL_POD_AUTOSCALER
from marquee.control.render.record import RolloutRecord
from marquee.control.render.scaling import WHOLE, ScaledArm, part_of
from marquee.control.snapshot import Child, DeploymentState, Snapshot


def has_keda(snapshot: Snapshot) -> bool:
    """Whether the model asks for KEDA, the cluster has it, and there is something that it can go by."""
    scaling, keda = snapshot.model.spec.scaling, snapshot.keda
    if scaling.class_ is not ScalingClass.KEDA or keda is None:
        return False
    return bool(keda.demand_url or scaling.cpu_utilization_percent or scaling.schedule)


def wanted_replicas(
    snapshot: Snapshot,
    rollout: RolloutFacts,
    state: DeploymentState | None,
    stable: DeploymentState | None,
    *,
    proven: bool,
) -> int:
    """Pods that an arm needs to be called ready.

    A newcomer needs what stable has, or with KEDA the share of it that its next step asks for; who serves alone has
    what its scaler gives it. Until its status says that it serves, it is only ever scaled up: it may have taken over
    from many pods a moment before the operator was restarted.

    Args:
        snapshot: As observed.
        rollout: Facts of the newest rollout.
        state: The arm's Deployment.
        stable: The serving revision's Deployment, when the arm is beside it.
        proven: Whether the status says that the arm serves.

    """
    scaling = snapshot.model.spec.scaling
    lowest = max(1, scaling.min_replicas)
    if scaling.class_ is ScalingClass.NONE:
        return scaling.min_replicas
    if stable is not None:
        needed = max(lowest, stable.replicas)
        if scaling.class_ is not ScalingClass.KEDA:
            return needed
        needed = part_of(_capped(snapshot, needed), _share(snapshot, rollout))
        return max(needed, state.replicas) if rollout.running and state is not None else needed
    if state is None:
        return lowest
    return state.replicas if proven and _is_scaled(snapshot, state) else max(lowest, state.replicas)


def scaled_arms(
    snapshot: Snapshot, serving: str, record: RolloutRecord | None, *, proven: bool
) -> tuple[ScaledArm, ...]:
    """The arms that KEDA scales, once a row's moves are made.

    During a rollout stable is not scaled down: whoever goes back finds the pods that were left. The canary has at
    least the pods of its next step's share of them, so that a weight is raised onto pods that are there.

    Args:
        snapshot: As observed.
        serving: The revision that users are to reach.
        record: The newest rollout as it will be recorded.
        proven: Whether nothing is to be found out about `serving` any more: it may then have no pods at all.

    """
    scaling = snapshot.model.spec.scaling
    if not has_keda(snapshot):
        return ()
    lowest = max(1, scaling.min_replicas)
    if record is None or record.result is not None or record.revision == serving:
        return (ScaledArm(serving, scaling.min_replicas if proven else lowest),)
    stable = snapshot.deployment(serving)
    share = _next_share(record)
    pods = part_of(_capped(snapshot, max(lowest, stable.replicas if stable is not None else 0)), share)
    return ScaledArm(serving, lowest, held=True), ScaledArm(record.revision, pods, share)


def is_asleep(snapshot: Snapshot, state: DeploymentState | None) -> bool:
    """Whether a revision has no pods because its scaling allows it."""
    allowed = snapshot.model.spec.scaling.min_replicas == 0 and has_keda(snapshot)
    return allowed and state is not None and state.replicas == 0


def unwanted_autoscalers(snapshot: Snapshot, arms: tuple[ScaledArm, ...]) -> Iterator[Child]:
    """What scales no more: of another class, or of an arm that is none."""
    autoscaler = snapshot.child(HORIZONTAL_POD_AUTOSCALER, snapshot.model.metadata.name)
    if autoscaler is not None and snapshot.model.spec.scaling.class_ is not ScalingClass.HPA:
        yield autoscaler
    wanted = {arm.revision for arm in arms}
    yield from (state.child for state in snapshot.scaled_objects if state.child.name not in wanted)


def has_foreign_scaler(snapshot: Snapshot, revision: str) -> bool:
    """Whether something of a class that is not wanted any more still sets the revision's number."""
    scaling = snapshot.model.spec.scaling.class_
    if scaling is not ScalingClass.HPA and _autoscaler(snapshot) is not None:
        return True
    return scaling is not ScalingClass.KEDA and any(state.child.name == revision for state in snapshot.scaled_objects)


def may_be_scaled(snapshot: Snapshot) -> bool:
    """Whether the autoscalers of another class are gone: two of them on one Deployment undo each other's work."""
    if snapshot.model.spec.scaling.class_ is ScalingClass.KEDA:
        return _autoscaler(snapshot) is None
    return not snapshot.scaled_objects


def _is_scaled(snapshot: Snapshot, state: DeploymentState) -> bool:
    """Whether somebody else will raise the number where it is too small."""
    scaling = snapshot.model.spec.scaling.class_
    if scaling is ScalingClass.HPA:
        return state.replicas > 0  # a HorizontalPodAutoscaler rests at none, which another scaler may have left
    return scaling is not ScalingClass.KEDA or has_keda(snapshot)


def _share(snapshot: Snapshot, rollout: RolloutFacts) -> int:
    """Percent of stable's pods that a newcomer needs next: all of them where it takes over at once."""
    if rollout.running and rollout.record is not None:
        return _next_share(rollout.record)
    steps = snapshot.model.spec.rollout.steps
    return steps[0].weight if steps else WHOLE


def _next_share(record: RolloutRecord) -> int:
    """Of the step after the present one; of the promotion after the last."""
    return WHOLE if record.is_last_step else record.weights[record.step + 1]


def _capped(snapshot: Snapshot, replicas: int) -> int:
    most = snapshot.model.spec.scaling.max_replicas
    return replicas if most is None else min(replicas, most)


def _autoscaler(snapshot: Snapshot) -> Child | None:
    return snapshot.child(HORIZONTAL_POD_AUTOSCALER, snapshot.model.metadata.name)
