"""What a plan decides about traffic, as entries of the audit log: *log before act*.

A decision is known by where it leads: the rollout, its step and stage, and the shares that users are divided by. When
the newest entry of a model leads where the plan leads, the entry is there already: a killed operator's successor, which
decides the same anew, finds it and writes no second one. What has to be written and is not is a debt; it is remembered
on the Service, in the very write that it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, Final

from marquee.control.decide.facts import Facts
from marquee.control.decide.plan import Entry
from marquee.control.decide.reasoning import event_of, late_event_of, subjects_of
from marquee.control.decide.table import Move, Row
from marquee.control.decide.traffic import reaches_both, routing
from marquee.control.decide.wording import Told
from marquee.control.render import names
from marquee.control.render.children import reaches_every_revision
from marquee.control.render.debts import MAX_DEBTS, Debt, debts_text, read_debts
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Decision, Snapshot

AWAY_SECONDS: Final = 20.0
"""So long after a failure the log counts as not to be had: what must not wait does not try it again."""
_ADVANCES: Final = Move.BEGIN | Move.ADVANCE | Move.FILL | Move.SWITCH
_WHOLE: Final = 1000
_HALF: Final = 500


@dataclass(frozen=True, slots=True)
class Entering:
    """What has to be entered for a plan, and what stays owed when it is carried out."""

    entries: tuple[Entry, ...] = ()
    debts: str = ""
    """The Service's annotation after the plan; empty: nothing is owed."""
    owed: int = 0
    """Entries that are owed after the plan."""
    due: bool = False
    """Something is owed that the log is not known to have."""


def entering(snapshot: Snapshot, facts: Facts, row: Row, told: Told, record: RolloutRecord | None) -> Entering:
    """The entries that come before a plan's writes; nothing where the operator keeps no log."""
    log = snapshot.audit
    if log is None or facts.external:
        return Entering()
    owed = _owed(facts)
    owed = owed[log.paid([debt.decision for debt in owed]) :]
    late = tuple(
        Entry(debt.decision, late_event_of(debt, record), subjects_of(snapshot, debt.decision)) for debt in owed
    )
    before, after = decision_before(snapshot, facts), decision_after(snapshot, facts, row, record)
    if after is None or after == before or (owed and owed[-1].decision.leads_where(after)):
        return Entering(() if is_away(snapshot) else late, debts_text(owed), len(owed), due=bool(owed))
    shares = before.shares if before is not None else ()
    event = event_of(snapshot, facts, row, told, after, shares)
    must_wait = _must_wait(snapshot, facts, row, before)
    if not log.has(after, [debt.decision for debt in owed]) and not must_wait and is_away(snapshot):
        acted = snapshot.now.astimezone(UTC).isoformat(timespec="milliseconds")
        debt = Debt(replace(after, acted=acted), event.verdict, event.rule, event.reason, shares)
        owed = (*owed, debt)[-MAX_DEBTS:]
        return Entering((), debts_text(owed), len(owed), due=True)
    entry = Entry(after, event, subjects_of(snapshot, after), must_wait=must_wait)
    return Entering((*late, entry))  # its writes follow when all of these are in the log, and then nothing is owed


def decision_after(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None) -> Decision | None:
    """Where the row leads; None where nothing of traffic is written."""
    if not row.moves & (Move.ENSURE | Move.SETTLE) or (facts.target is None and facts.serving is None):
        return None
    if facts.routed:
        route = routing(facts, row, record)
        split = route.split
        shares = {route.stable: _WHOLE}
        if split is not None:
            shares = {split.canary: split.weight * 10, route.stable: _WHOLE - split.weight * 10}
        return _decision(snapshot, record, shares)
    serving = facts.serving
    if facts.target is not None and (serving is None or Move.SWITCH in row.moves):
        serving = facts.target.name
    assert serving is not None  # noqa: S101 - checked above
    both = facts.target is not None and reaches_both(facts, record)
    return _decision(snapshot, record, _of_pods(record, serving) if both else {serving: _WHOLE})


def decision_before(snapshot: Snapshot, facts: Facts) -> Decision | None:
    """What the stored objects say; None before there are any."""
    service, record = facts.service, facts.rollout.record
    if service is None or service.deleting or facts.serving is None:
        return None
    if facts.routed and snapshot.route is not None:
        return _decision(snapshot, record, _of_route(snapshot.route.child.manifest()))
    if reaches_every_revision(service) and record is not None and record.by_pods:
        return _decision(snapshot, record, _of_pods(record, facts.serving))
    return _decision(snapshot, record, {facts.serving: _WHOLE})


def _must_wait(snapshot: Snapshot, facts: Facts, row: Row, before: Decision | None) -> bool:
    """Whether nothing may be written while the log is not to be had: what gives a revision more users.

    What takes users back does not wait, nor what follows from a step that was entered before it began: an arm that lost
    its pods, or a route that a killed operator has left undone.
    """
    if row.moves & _ADVANCES:
        return not facts.rollout.undone and facts.kill is None
    return before is None and snapshot.model.status.stable is None


def is_away(snapshot: Snapshot) -> bool:
    """Whether an attempt to enter something has failed a moment ago."""
    log = snapshot.audit
    if log is None or not log.failure or log.failed_at is None:
        return False
    return (snapshot.now - log.failed_at).total_seconds() < AWAY_SECONDS


def _owed(facts: Facts) -> tuple[Debt, ...]:
    if facts.service is None:
        return ()
    return read_debts(facts.service.annotations.get(names.ANNOTATION_UNLOGGED))


def _decision(snapshot: Snapshot, record: RolloutRecord | None, shares: dict[str, int]) -> Decision:
    uid, told = snapshot.model.metadata.uid, tuple(sorted((name, part) for name, part in shares.items() if part))
    if record is None:
        return Decision("", 0, "", told, uid)
    return Decision(record.name, record.step, _stage(record), told, uid)


def _stage(record: RolloutRecord) -> str:
    if record.result is not None:
        return record.result.value
    return "Filling" if record.filling else "Running"


def _of_pods(record: RolloutRecord | None, serving: str) -> dict[str, int]:
    """The shares that numbers of pods stand for: what is asked, and halves when the canary has all that it needs."""
    if record is None or record.revision == serving:
        return {serving: _WHOLE}
    canary = _HALF if record.filling else record.weight * 10
    return {record.revision: canary, serving: _WHOLE - canary}


def _of_route(manifest: dict[str, Any]) -> dict[str, int]:
    """By the last rule, which has weights; somebody's own rules count as nothing."""
    rules: Sequence[dict[str, Any]] = manifest.get("spec", {}).get("rules") or ()
    shares: dict[str, int] = {}
    for backend in (rules[-1].get("backendRefs") or ()) if rules else ():
        name = str(backend.get("name", ""))
        shares[name] = shares.get(name, 0) + 10 * int(backend.get("weight", 1))
    return shares
