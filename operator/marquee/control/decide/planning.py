"""The writes that the matching row asks for: from a `Snapshot` to a `Plan`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from marquee.api.model_revision import ModelRevision
from marquee.api.scaling import ScalingClass
from marquee.contract import pod
from marquee.control.decide.approvals_entered import approving
from marquee.control.decide.decisions import Entering, entering
from marquee.control.decide.describing import notices_of, status_of
from marquee.control.decide.drift_entered import drifting
from marquee.control.decide.drifting import question_of
from marquee.control.decide.facts import Facts, gather
from marquee.control.decide.incidents import Turning, turning
from marquee.control.decide.plan import Apply, Delete, Plan, Probe, Scale
from marquee.control.decide.retraining import LoopPlan, plan_retraining
from marquee.control.decide.rollouts import next_look
from marquee.control.decide.scaling import has_foreign_scaler, may_be_scaled, scaled_arms, unwanted_autoscalers
from marquee.control.decide.syncing import is_in_sync
from marquee.control.decide.table import Move, Row, match
from marquee.control.decide.traffic import (
    Owed,
    declaration,
    end_stamping,
    follow,
    memory,
    reaches_both,
    record_after,
    routing,
    stamp,
)
from marquee.control.decide.wording import tell
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from marquee.control.render import children, names
from marquee.control.render.children import reaches_every_revision
from marquee.control.render.defaults import recall
from marquee.control.render.deployment import deployment
from marquee.control.render.record import RolloutRecord
from marquee.control.render.scaling import ScaledArm, horizontal_pod_autoscaler, scaled_object
from marquee.control.render.traffic import arm_service, http_route
from marquee.control.snapshot import Child, Snapshot

PROBE_AGAIN_SECONDS: Final = 10.0
KEDA_AGAIN_SECONDS: Final = 30.0
SAID_AGAIN_SECONDS: Final = 30.0
LOOK_AT_CALENDAR_SECONDS: Final = 3600.0
"""A clock may be set meanwhile."""
MINIMUM_WAIT_SECONDS: Final = 0.2
_MOVES_TRAFFIC: Final = Move.BEGIN | Move.ADVANCE | Move.FILL | Move.WITHDRAW | Move.SWITCH


def decide(snapshot: Snapshot) -> Plan:
    """What to do about a model now. Pure: the same snapshot gives the same plan."""
    facts = gather(snapshot)
    row = match(facts)
    told = tell(facts, row)
    record = record_after(snapshot, facts, row, told)
    log = entering(snapshot, facts, row, told, record)
    quiet = not log.entries and not log.due
    turn = turning(snapshot, facts, row, record, quiet=quiet)
    quiet = quiet and not turn.entries and not turn.due
    signed = approving(snapshot, facts, row, quiet=quiet)
    drifted = drifting(snapshot, facts, row, quiet=quiet and not signed.entries and not signed.due)
    loop = plan_retraining(snapshot, facts, row)
    status = status_of(snapshot, facts, row, told, record, loop, owed=log.owed)
    applies = tuple(_applies(snapshot, facts, row, record, _owed(log, turn, signed, drifted)))
    return Plan(
        status=status,
        declare=declaration(snapshot, facts, row, record),
        stamp=stamp(row, record),
        entries=log.entries + turn.entries + signed.entries + drifted.entries,
        applies=(*(one for one in loop.applies if one not in applies), *applies),
        scales=tuple(_scales(snapshot, facts, row)),
        probe=_probe(snapshot, facts) if Move.PROBE in row.moves else None,
        deletes=(*_deletes(snapshot, facts, row, record), *loop.deletes),
        end_stamping=end_stamping(snapshot, record),
        notices=notices_of(snapshot, row, told, status),
        requeue_after_seconds=_requeue_after(
            snapshot, facts, row, record, loop, is_due=log.due or turn.due or signed.due or drifted.due
        ),
        follow=follow(snapshot, record),
        follow_drift=question_of(snapshot, facts.serving),
        retraining=loop.step,
    )


def _owed(log: Entering, *turns: Turning) -> Owed:
    """What the Service remembers: of traffic, then of the incident, of approvals and of drift."""
    return Owed(log.debts, *(turn.memory for turn in turns))


def _applies(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, owed: Owed) -> Iterator[Apply]:
    """In the order that lets pods start at the first try: identity first, the address last."""
    if not row.moves & (Move.ENSURE | Move.SETTLE):
        return
    for kind, manifest in _wanted(snapshot, facts, row, record, owed):
        name = manifest["metadata"]["name"]
        stored = snapshot.child(kind, name)
        if stored is not None and stored.deleting:
            continue
        if stored is None or not is_in_sync(manifest, stored.manifest()):
            yield Apply(kind=kind, manifest=manifest, create=stored is None)


def _wanted(
    snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, owed: Owed
) -> Iterator[tuple[Kind, dict[str, Any]]]:
    if facts.target is None:
        yield from _way_back(snapshot, facts, row, record, owed)
        return
    model, serving = snapshot.model, _serving_after(facts, row, facts.target.name)
    both = reaches_both(facts, record)
    memories = memory(snapshot, facts, row, record, owed)
    address = children.service(model, revision=serving, annotations=memories, both_arms=both)
    if is_open := facts.service is not None and reaches_every_revision(facts.service) and not both:
        # no pod of a third revision may come up while it would be reached
        yield SERVICE, address
    yield SERVICE_ACCOUNT, children.service_account(model)
    yield NETWORK_POLICY, children.network_policy(model)
    yield POD_DISRUPTION_BUDGET, children.pod_disruption_budget(model)
    if (lost := _lost_stable(snapshot, facts)) is not None:
        yield DEPLOYMENT, _deployment(snapshot, lost)
    yield DEPLOYMENT, _deployment(snapshot, facts.revision)
    if (standby := _standby(snapshot, facts)) is not None:
        yield DEPLOYMENT, _deployment(snapshot, standby)
    if not is_open:
        yield SERVICE, address
    yield from _routes(snapshot, facts, row, record)
    yield from _autoscalers(snapshot, serving, _scaled_arms(snapshot, facts, row, record))


def _serving_after(facts: Facts, row: Row, target: str) -> str:
    """The revision that users are to reach once the row's moves are made."""
    return target if facts.serving is None or Move.SWITCH in row.moves else facts.serving


def _scaled_arms(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None) -> tuple[ScaledArm, ...]:
    if facts.target is None:
        return scaled_arms(snapshot, facts.serving, record, proven=False) if facts.serving is not None else ()
    serving = _serving_after(facts, row, facts.target.name)
    proven = (facts.stable is None and facts.target.verified) or Move.SWITCH in row.moves
    return scaled_arms(snapshot, serving, record, proven=proven)


def _autoscalers(
    snapshot: Snapshot, serving: str, arms: tuple[ScaledArm, ...]
) -> Iterator[tuple[Kind, dict[str, Any]]]:
    model = snapshot.model
    if not may_be_scaled(snapshot):
        return
    if (autoscaler := horizontal_pod_autoscaler(model, revision=serving)) is not None:
        yield HORIZONTAL_POD_AUTOSCALER, autoscaler
    if snapshot.keda is not None:
        yield from ((SCALED_OBJECT, scaled_object(model, arm, snapshot.keda)) for arm in arms)


def _way_back(
    snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, owed: Owed
) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """What ends a rollout while the spec names no revision: of anything else nobody knows how it should be."""
    if facts.serving is None:
        return
    if Move.WITHDRAW in row.moves:
        memories = memory(snapshot, facts, row, record, owed)
        yield SERVICE, children.service(snapshot.model, revision=facts.serving, annotations=memories)
    yield from _routes(snapshot, facts, row, record)


def _routes(
    snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None
) -> Iterator[tuple[Kind, dict[str, Any]]]:
    """The way through the gateway: the arms' Services before the route that names them."""
    model = snapshot.model
    if model.spec.traffic is None:
        return
    route = routing(facts, row, record)
    standby = _standby(snapshot, facts)
    arms = (facts.serving, facts.target.name if facts.target is not None else None)
    for name in dict.fromkeys((*arms, standby.metadata.name if standby is not None else None)):
        if name is not None:
            yield SERVICE, arm_service(model, name)
    yield HTTP_ROUTE, http_route(model, stable=route.stable, split=route.split)


def _lost_stable(snapshot: Snapshot, facts: Facts) -> ModelRevision | None:
    """The serving revision, when somebody removed its Deployment while another is on its way. Otherwise a
    rollout leaves stable as it is: what changes in the spec is proven on the newcomer first."""
    if facts.stable is None or facts.stable.deployment is not None:
        return None
    return snapshot.revision(facts.stable.name)


def _standby(snapshot: Snapshot, facts: Facts) -> ModelRevision | None:
    """The fallback, while it has nothing to do: its pods are what makes a kill switch fast."""
    if facts.standby is None or facts.target is None or facts.standby in (facts.target.name, facts.serving):
        return None
    return snapshot.revision(facts.standby)


def _deployment(snapshot: Snapshot, revision: ModelRevision) -> dict[str, Any]:
    """The revision's Deployment; its defaults are those of its first deployment, whatever they are now.

    But for two. A revision that gets its Triton later takes the image of that time. And a model that is to be judged,
    or watched for drift, reports to the ledger, also where a revision was deployed before there was one: asking for it
    may restart stable's pods.
    """
    state = snapshot.deployment(revision.metadata.name)
    first = recall(state.child.annotations.get(names.ANNOTATION_DEFAULTS)) if state is not None else None
    defaults = first or snapshot.defaults
    if not defaults.triton_image:
        defaults = replace(defaults, triton_image=snapshot.defaults.triton_image)
    spec = snapshot.model.spec
    if not defaults.ledger_url and (spec.rollout.analysis is not None or spec.drift is not None):
        defaults = replace(defaults, ledger_url=snapshot.defaults.ledger_url)
    return deployment(snapshot.model, revision, defaults)


def _scales(snapshot: Snapshot, facts: Facts, row: Row) -> Iterator[Scale]:
    """Replicas of the wanted revision; `Arm.wanted_replicas` leaves to a scaler what is a scaler's."""
    if Move.ENSURE not in row.moves or facts.target is None:
        return
    yield from _standby_scale(snapshot, facts)
    target = facts.target
    if target.deployment is None and snapshot.deployment(target.name) is not None:
        return  # on its way out: the one that follows is scaled
    if facts.stable is None and has_foreign_scaler(snapshot, target.name):
        return  # it would set its own number again until it is gone, and its end is an event
    current = target.deployment.replicas if target.deployment is not None else 1
    if current != target.wanted_replicas:
        yield Scale(snapshot.model.metadata.namespace, target.name, target.wanted_replicas)


def _standby_scale(snapshot: Snapshot, facts: Facts) -> Iterator[Scale]:
    """The fallback's pods: not fewer than it has while users that it answered a moment ago may be on their way."""
    standby = _standby(snapshot, facts)
    state = snapshot.deployment(standby.metadata.name) if standby is not None else None
    if state is None or state.child.deleting or any(one.child.name == facts.standby for one in snapshot.scaled_objects):
        return
    wanted = max(1, snapshot.model.spec.scaling.min_replicas)
    drains = facts.drained_at is not None and snapshot.now < facts.drained_at
    if state.replicas < wanted or (state.replicas > wanted and not drains):
        yield Scale(snapshot.model.metadata.namespace, state.child.name, wanted)


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


def _deletes(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None) -> Iterator[Delete]:
    if Move.PRUNE not in row.moves:
        return
    arms = _scaled_arms(snapshot, facts, row, record)
    scaled = unwanted_autoscalers(snapshot, arms)
    for child in (*_unwanted_routes(snapshot, facts), *scaled, *(state.child for state in facts.leftovers)):
        if not child.deleting:
            yield Delete(kind=child.kind, namespace=child.namespace, name=child.name, uid=child.uid)


def _unwanted_routes(snapshot: Snapshot, facts: Facts) -> Iterator[Child]:
    """The route and the arms' Services that no traffic needs: the route before what it names."""
    model, used = snapshot.model, set[str]()
    if model.spec.traffic is not None:
        arms = (
            facts.serving,
            facts.standby,
            facts.revision.metadata.name,
            *(state.child.name for state in facts.draining),
        )
        used = {name for name in arms if name is not None}
    elif snapshot.route is not None:
        yield snapshot.route.child
    for child in snapshot.children:
        if child.name != model.metadata.name and child.name not in used and child.kind == SERVICE:
            yield child


def _requeue_after(
    snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, loop: LoopPlan, *, is_due: bool
) -> float | None:
    """Only what no event announces: the end of a drain, the next probe, a step's time, that KEDA is installed, a word
    to the ledger that may not have been heard, and a moment of retraining."""
    waits = list(loop.waits)
    if is_due:
        waits.append(SAID_AGAIN_SECONDS if snapshot.audit is not None and snapshot.audit.failure else 0.0)
    if snapshot.model.spec.scaling.class_ is ScalingClass.KEDA and snapshot.keda is None:
        waits.append(KEDA_AGAIN_SECONDS)
    if end_stamping(snapshot, record) is not None:
        waits.append(SAID_AGAIN_SECONDS)
    if facts.draining and facts.drained_at is not None and snapshot.now < facts.drained_at:
        waits.append((facts.drained_at - snapshot.now).total_seconds())
    if Move.PROBE in row.moves:
        waits.append(PROBE_AGAIN_SECONDS)
    if facts.approvals is not None and (expiry := facts.approvals.next_expiry) is not None:
        waits.append(min(LOOK_AT_CALENDAR_SECONDS, (expiry - snapshot.now).total_seconds()))
    if facts.held is not None and facts.held.until is not None:
        waits.append(min(LOOK_AT_CALENDAR_SECONDS, (facts.held.until - snapshot.now).total_seconds()))
    if row.moves & _MOVES_TRAFFIC:
        waits.append(0.0)
    elif facts.rollout.running and (record := facts.rollout.open) is not None:
        look = next_look(snapshot, record)
        waits += [look] if look is not None else []
    return max(MINIMUM_WAIT_SECONDS, min(waits)) if waits else None
