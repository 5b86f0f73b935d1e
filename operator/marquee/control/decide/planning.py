"""The writes that the matching row asks for: from a `Snapshot` to a `Plan`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final

from marquee.api.marketing_model import Phase, ScalingClass
from marquee.api.model_revision import ModelRevision
from marquee.contract import pod
from marquee.control.decide.describing import notices_of, status_of
from marquee.control.decide.facts import Facts, gather
from marquee.control.decide.plan import Apply, Delete, Plan, Probe, Scale
from marquee.control.decide.syncing import is_in_sync
from marquee.control.decide.table import Move, Row, match
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from marquee.control.render import children, names
from marquee.control.render.defaults import recall
from marquee.control.render.deployment import deployment
from marquee.control.snapshot import Child, Snapshot

PROBE_AGAIN_SECONDS: Final = 10.0
MINIMUM_WAIT_SECONDS: Final = 0.2


def decide(snapshot: Snapshot) -> Plan:
    """What to do about a model now. Pure: the same snapshot gives the same plan."""
    facts = gather(snapshot)
    row = match(facts)
    applies = tuple(_applies(snapshot, facts, row))
    return Plan(
        status=status_of(snapshot, facts, row),
        applies=applies,
        scales=tuple(_scales(snapshot, facts, row)),
        probe=_probe(snapshot, facts) if Move.PROBE in row.moves else None,
        deletes=tuple(_deletes(snapshot, facts, row)),
        notices=notices_of(snapshot, facts, row),
        requeue_after_seconds=_requeue_after(snapshot, facts, row),
    )


def _applies(snapshot: Snapshot, facts: Facts, row: Row) -> Iterator[Apply]:
    """In the order that lets pods start at the first try: identity first, the address last."""
    if Move.ENSURE not in row.moves:
        return
    for kind, manifest in _wanted(snapshot, facts, row):
        name = manifest["metadata"]["name"]
        stored = snapshot.child(kind, name)
        if stored is not None and stored.deleting:
            continue
        if stored is None or not is_in_sync(manifest, stored.manifest()):
            yield Apply(kind=kind, manifest=manifest, create=stored is None)


def _wanted(snapshot: Snapshot, facts: Facts, row: Row) -> Iterator[tuple[Kind, dict[str, Any]]]:
    model = snapshot.model
    serving = facts.serving
    if serving is None or Move.SWITCH in row.moves:
        serving = facts.revision.metadata.name
    yield SERVICE_ACCOUNT, children.service_account(model)
    yield NETWORK_POLICY, children.network_policy(model)
    yield POD_DISRUPTION_BUDGET, children.pod_disruption_budget(model)
    if (lost := _lost_stable(snapshot, facts)) is not None:
        yield DEPLOYMENT, _deployment(snapshot, lost)
    yield DEPLOYMENT, _deployment(snapshot, facts.revision)
    yield (
        SERVICE,
        children.service(model, revision=serving, annotations=_traffic_annotations(snapshot, facts, row)),
    )
    if (autoscaler := children.horizontal_pod_autoscaler(model, revision=serving)) is not None:
        yield HORIZONTAL_POD_AUTOSCALER, autoscaler


def _lost_stable(snapshot: Snapshot, facts: Facts) -> ModelRevision | None:
    """The serving revision, when somebody removed its Deployment while another is on its way. Otherwise a
    rollout leaves stable as it is: what changes in the spec is proven on the newcomer first."""
    if facts.stable is None or facts.stable.deployment is not None:
        return None
    return snapshot.revision(facts.stable.name)


def _deployment(snapshot: Snapshot, revision: ModelRevision) -> dict[str, Any]:
    """The revision's Deployment; its defaults are those of its first deployment, whatever they are now."""
    state = snapshot.deployment(revision.metadata.name)
    first = recall(state.child.annotations.get(names.ANNOTATION_DEFAULTS)) if state is not None else None
    return deployment(snapshot.model, revision, first or snapshot.defaults)


def _traffic_annotations(snapshot: Snapshot, facts: Facts, row: Row) -> dict[str, str]:
    """When users were switched, and from whom: in the same write as the switch, so neither is ever lost."""
    if Move.SWITCH in row.moves and facts.serving is not None:
        return {
            names.ANNOTATION_SWITCHED_AT: snapshot.now.astimezone(UTC).isoformat(timespec="milliseconds"),
            names.ANNOTATION_PREVIOUS_REVISION: facts.serving,
        }
    kept = (names.ANNOTATION_SWITCHED_AT, names.ANNOTATION_PREVIOUS_REVISION)
    stored = facts.service.annotations if facts.service is not None else {}
    return {key: stored[key] for key in kept if key in stored}


def _scales(snapshot: Snapshot, facts: Facts, row: Row) -> Iterator[Scale]:
    """Replicas of the wanted revision; `Arm.wanted_replicas` leaves to a scaler what is a scaler's."""
    if Move.ENSURE not in row.moves or facts.target is None:
        return
    target = facts.target
    if target.deployment is None and snapshot.deployment(target.name) is not None:
        return  # on its way out: the one that follows is scaled
    if facts.stable is None and _unwanted_autoscaler(snapshot) is not None:
        return  # it would set its own number again until it is gone, and its end is an event
    current = target.deployment.replicas if target.deployment is not None else 1
    if current != target.wanted_replicas:
        yield Scale(snapshot.model.metadata.namespace, target.name, target.wanted_replicas)


def _probe(snapshot: Snapshot, facts: Facts) -> Probe | None:
    """A ready pod of the wanted revision, the oldest first; one that failed rests a while before it is asked
    again."""
    assert facts.target is not None  # noqa: S101 - rows that probe have a target
    if snapshot.probe is not None and facts.target.probe_failure:
        elapsed = (snapshot.now - snapshot.probe.at).total_seconds()
        if elapsed < PROBE_AGAIN_SECONDS:
            return None
    ready = [pod_state for pod_state in facts.target.pods if pod_state.ready and not pod_state.deleting]
    if not ready:
        return None
    chosen = min(ready, key=lambda pod_state: (pod_state.created, pod_state.name))
    host = f"[{chosen.ip}]" if ":" in chosen.ip else chosen.ip
    return Probe(
        pod_uid=chosen.uid,
        address=f"http://{host}:{pod.SERVING_PORT}{pod.PROBE_PATH}",
        model=snapshot.model.metadata.name,
        revision=facts.revision.metadata.name,
        digest=facts.revision.spec.artifact.digest,
    )


def _deletes(snapshot: Snapshot, facts: Facts, row: Row) -> Iterator[Delete]:
    if Move.PRUNE not in row.moves:
        return
    for state in facts.leftovers:
        yield _delete(state.child.kind, state.child.namespace, state.child.name, state.child.uid)
    autoscaler = _unwanted_autoscaler(snapshot)
    if autoscaler is not None and not autoscaler.deleting:
        yield _delete(autoscaler.kind, autoscaler.namespace, autoscaler.name, autoscaler.uid)


def _unwanted_autoscaler(snapshot: Snapshot) -> Child | None:
    """The autoscaler of a model that is not scaled by one any more."""
    if snapshot.model.spec.scaling.class_ is ScalingClass.HPA:
        return None
    return snapshot.child(HORIZONTAL_POD_AUTOSCALER, snapshot.model.metadata.name)


def _delete(kind: Kind, namespace: str, name: str, uid: str) -> Delete:
    return Delete(kind=kind, namespace=namespace, name=name, uid=uid)


def _requeue_after(snapshot: Snapshot, facts: Facts, row: Row) -> float | None:
    """Only what no event announces: the end of a drain, and the next probe."""
    waits = []
    if facts.draining and facts.drained_at is not None:
        waits.append((facts.drained_at - snapshot.now).total_seconds())
    if Move.PROBE in row.moves:
        waits.append(PROBE_AGAIN_SECONDS)
    if row.phase is Phase.SWITCHING:
        waits.append(0.0)
    return max(MINIMUM_WAIT_SECONDS, min(waits)) if waits else None
