"""The status that people read, and the events that tell them what changed."""

from __future__ import annotations

from marquee.api.conditions import ConditionDraft, ConditionType, Reason, merge
from marquee.api.marketing_model import ArmStatus, MarketingModelStatus, Phase
from marquee.api.model_revision import ModelRevision
from marquee.api.types import timestamp
from marquee.control.decide.diagnosing import bounded
from marquee.control.decide.facts import Arm, Facts
from marquee.control.decide.plan import Notice
from marquee.control.decide.table import Row
from marquee.control.render import names
from marquee.control.snapshot import Snapshot

_STALLED = frozenset({Phase.BLOCKED, Phase.FAILED})


def status_of(snapshot: Snapshot, facts: Facts, row: Row) -> MarketingModelStatus:
    """The whole status; a field that this leaves out is removed by server-side apply."""
    model = snapshot.model
    now = timestamp(snapshot.now)
    previous = model.status
    stable = _stable_status(snapshot, facts, row, now)
    name = model.metadata.name
    return MarketingModelStatus(
        observed_generation=model.metadata.generation,
        phase=row.phase,
        conditions=merge(previous.conditions, _drafts(facts, row), generation=model.metadata.generation, now=now),
        stable=stable,
        canary=_canary_status(snapshot, facts, row, now),
        replicas=stable.replicas if stable else 0,
        selector=f"{names.LABEL_MODEL}={name}",
        url=f"http://{name}.{model.metadata.namespace}.svc",
    )


def reason_of(facts: Facts, row: Row) -> tuple[Reason, str]:
    """A condition's reason and message for the row that matched."""
    keeps = f"; revision {facts.stable.name} keeps serving" if facts.stable and facts.stable.available else ""
    if facts.target is None:
        return facts.resolution.reason, bounded(facts.resolution.message) + keeps
    target = facts.target
    if row.reason is None:
        assert target.diagnosis is not None  # noqa: S101 - the row's own predicate
        return target.diagnosis.reason, f"revision {target.name}: {bounded(target.diagnosis.message)}{keeps}"
    ready = target.deployment.available_replicas if target.deployment else 0
    messages = {
        Reason.PREPARING: f"revision {target.name} is coming up: {ready} of {target.wanted_replicas} pods ready{keeps}",
        Reason.SCALING: f"revision {target.name}: {ready} of {target.wanted_replicas} pods ready and current",
        Reason.STABLE_UNAVAILABLE: f"revision {target.name} has no ready pod",
        Reason.PROBING: f"revision {target.name} is ready; waiting for its probe prediction{keeps}",
        Reason.SWITCHING: f"revision {target.name} takes over from {facts.serving}",
        Reason.DRAINING: f"revision {target.name} serves; "
        + ", ".join(state.child.name for state in facts.draining)
        + " finishes open connections",
        Reason.PROBE_FAILED: f"revision {target.name}: {bounded(target.probe_failure)}{keeps}",
        Reason.SERVING: f"revision {target.name} serves",
    }
    return row.reason, messages[row.reason]


def notices_of(snapshot: Snapshot, facts: Facts, row: Row) -> tuple[Notice, ...]:
    """An event when something failed that had not before, when that is over, and when a revision takes over."""
    reason, message = reason_of(facts, row)
    before = next((c for c in snapshot.model.status.conditions if c.type == ConditionType.READY), None)
    if row.phase in _STALLED and (before is None or before.reason != reason.value):
        return (Notice(warning=True, reason=reason, note=message),)
    recovers = any(c.type == ConditionType.STALLED for c in snapshot.model.status.conditions)
    if row.phase is Phase.SWITCHING or (recovers and row.phase not in _STALLED):
        return (Notice(warning=False, reason=reason, note=message),)
    return ()


def _drafts(facts: Facts, row: Row) -> list[ConditionDraft]:
    reason, message = reason_of(facts, row)
    is_ready = row.phase in (Phase.SERVING, Phase.DRAINING)
    drafts = [ConditionDraft(type=ConditionType.READY, status=is_ready, reason=reason, message=message)]
    if row.phase in _STALLED:
        drafts.append(ConditionDraft(type=ConditionType.STALLED, status=True, reason=reason, message=message))
    elif not is_ready:
        drafts.append(ConditionDraft(type=ConditionType.RECONCILING, status=True, reason=reason, message=message))
    return drafts


def _stable_status(snapshot: Snapshot, facts: Facts, row: Row, now: str) -> ArmStatus | None:
    """Who answers users: entered when it has proven itself, kept through every later trouble."""
    previous = snapshot.model.status.stable
    if row.phase in (Phase.SERVING, Phase.DRAINING) and facts.target is not None:
        return _arm_status(facts.target, facts.revision, previous, now)
    if previous is None or previous.revision != facts.serving:
        return None
    state = snapshot.deployment(previous.revision)
    return previous.model_copy(
        update={
            "replicas": state.replicas if state else 0,
            "ready_replicas": state.available_replicas if state else 0,
        }
    )


def _canary_status(snapshot: Snapshot, facts: Facts, row: Row, now: str) -> ArmStatus | None:
    stable = snapshot.model.status.stable
    if facts.target is None or row.phase in (Phase.SERVING, Phase.DRAINING):
        return None
    if stable is not None and stable.revision == facts.target.name and facts.serving == facts.target.name:
        return None
    return _arm_status(facts.target, facts.revision, snapshot.model.status.canary, now)


def _arm_status(arm: Arm, revision: ModelRevision, previous: ArmStatus | None, now: str) -> ArmStatus:
    digest = revision.spec.artifact.digest
    is_same = previous is not None and (previous.revision, previous.digest) == (arm.name, digest)
    return ArmStatus(
        revision=arm.name,
        digest=digest,
        since=previous.since if previous is not None and is_same else now,
        replicas=arm.wanted_replicas,
        ready_replicas=arm.deployment.available_replicas if arm.deployment else 0,
    )
