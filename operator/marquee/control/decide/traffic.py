"""Who answers whom after a row's moves: the rollout's record, the route's split, the Service's memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import NamedTuple

from marquee.api.conditions import Reason
from marquee.api.rollout_status import RolloutResult
from marquee.contract.ledger import RolloutDeclaration
from marquee.contract.stamping import Stamping
from marquee.control.decide.facts import Facts
from marquee.control.decide.integers import counts_of
from marquee.control.decide.judging import evidence_of
from marquee.control.decide.plan import Declare, Stamp
from marquee.control.decide.table import Move, Row
from marquee.control.decide.wording import Told
from marquee.control.render import names
from marquee.control.render.record import RolloutRecord, begin, plan_digest
from marquee.control.render.traffic import Split
from marquee.control.snapshot import Snapshot
from marquee.judging.asking import declaration_of

_MESSAGE_LIMIT = 600
"""Of a rollout's end in its record: an annotation has room, a message for people has its measure."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Who gets the requests that come through the gateway."""

    stable: str
    """The revision of all that is not the canary's."""
    split: Split | None


class Owed(NamedTuple):
    """What the Service remembers for the audit log, as its annotations' texts."""

    debts: str = ""
    incident: str = ""
    approvals: str = ""
    drift: str = ""


def record_after(snapshot: Snapshot, facts: Facts, row: Row, told: Told) -> RolloutRecord | None:
    """The newest rollout once the row's moves are made."""
    record = facts.rollout.record
    if Move.BEGIN in row.moves:
        assert facts.serving is not None  # noqa: S101 - a rollout begins beside stable
        before, has_ledger = _before(snapshot, record), snapshot.ledger is not None
        return begin(snapshot.model, facts.revision, facts.serving, before, snapshot.now, has_ledger=has_ledger)
    if Move.SWITCH in row.moves and facts.rollout.undone and record is not None:
        message = "its promotion was undone" + facts.rollout.by
        undone = record.ended(RolloutResult.ABORTED, Reason.ABORTED.value, message)
        return replace(undone, plan=plan_digest(snapshot.model))  # by what it is rejected from now on
    if (running := facts.rollout.open) is None:
        return _heard(snapshot, record) if record is not None else None
    if Move.FILL in row.moves:
        return replace(running, filling=True)
    if Move.ADVANCE in row.moves:
        return running.next_step(snapshot.now)
    if row.result is not None:
        return _ended(snapshot, facts, running.ended(row.result, told.reason.value, told.message[:_MESSAGE_LIMIT]))
    return record


def _ended(snapshot: Snapshot, facts: Facts, record: RolloutRecord) -> RolloutRecord:
    """The record with what its end was judged by, where anything could be judged."""
    judgement, reading = facts.rollout.judgement, snapshot.ledger
    if judgement is None or reading is None:
        return record
    return record.judged_by(evidence_of(judgement), counts_of(reading.statistics))


def _before(snapshot: Snapshot, record: RolloutRecord | None) -> str:
    """Name of the rollout before; the status remembers it where somebody removed the Service."""
    told = snapshot.model.status.rollout
    return record.name if record is not None else told.name if told is not None else ""


def _heard(snapshot: Snapshot, record: RolloutRecord) -> RolloutRecord:
    """The record of a rollout that has ended, without the stamping that the ledger has ended too."""
    reading = snapshot.ledger
    if not record.stamping or reading is None or reading.unread or reading.failure:
        return record
    is_over = reading.statistics is None or not reading.statistics.stamping
    return replace(record, stamping=False) if is_over else record


def stamp(row: Row, record: RolloutRecord | None) -> Stamp | None:
    """What the ledger must know before the canary's share of pods changes."""
    if record is None or not record.stamping or not row.moves & (Move.BEGIN | Move.ADVANCE):
        return None
    return Stamp(record.name, Stamping(stable=record.stable, canary=record.revision, step=record.step))


def end_stamping(snapshot: Snapshot, record: RolloutRecord | None) -> str | None:
    """The rollout that pods may still stamp for although it has ended."""
    if record is None or snapshot.ledger is None or not record.stamping or record.result is None:
        return None
    return record.name


def follow(snapshot: Snapshot, record: RolloutRecord | None) -> str | None:
    """The rollout whose integers the next decision needs: until it has ended, and its stamping too."""
    if record is None or snapshot.ledger is None or (record.result is not None and not record.stamping):
        return None
    return record.name


def reaches_both(facts: Facts, record: RolloutRecord | None) -> bool:
    """Whether the Service reaches the pods of both arms: their numbers are the split."""
    target = facts.target
    if record is None or not record.by_pods or record.result is not None or target is None:
        return False
    return target.name == record.revision and target.available and not target.refuted


def declaration(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None) -> Declare | None:
    """What the ledger must know before the canary gets its first user."""
    if record is None or snapshot.ledger is None or Move.BEGIN not in row.moves:
        return None
    analysis = snapshot.model.spec.rollout.analysis
    return Declare(
        rollout=record.name,
        declaration=declaration_of(analysis) if analysis is not None else RolloutDeclaration(metrics=()),
        closes=_before(snapshot, facts.rollout.record) or None,
    )


def routing(facts: Facts, row: Row, record: RolloutRecord | None) -> Routing:
    """The route's content.

    Traffic is split, and its requests are stamped with their cohort, only while both arms have a pod that answers.
    While one of them has none the other answers everybody, and those requests are not counted. A canary whose last
    probe prediction was wrong counts as one that does not answer.
    """
    target, stable, serving = facts.target, facts.stable, facts.serving
    if target is not None and (Move.SWITCH in row.moves or serving is None):
        serving = target.name
    assert serving is not None  # noqa: S101 - rows that route have a target, or end a rollout beside stable
    if target is None or record is None or record.result is not None or not target.available or target.refuted:
        return Routing(serving, None)
    if stable is None or not stable.available:
        return Routing(target.name, None)
    return Routing(serving, Split(rollout=record.name, step=record.step, weight=record.weight, canary=target.name))


def memory(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, owed: Owed) -> dict[str, str]:
    """The Service's annotations: in the same write as the state of traffic, so that neither is ever lost."""
    kept = (names.ANNOTATION_SWITCHED_AT, names.ANNOTATION_PREVIOUS_REVISION)
    stored = facts.service.annotations if facts.service is not None else {}
    annotations = {key: stored[key] for key in kept if key in stored}
    if (left := _left(facts, row)) is not None:
        annotations = {
            names.ANNOTATION_SWITCHED_AT: snapshot.now.astimezone(UTC).isoformat(timespec="milliseconds"),
            names.ANNOTATION_PREVIOUS_REVISION: left,
        }
    if record is not None:
        annotations[names.ANNOTATION_ROLLOUT] = record.to_text()
    remembered = (
        names.ANNOTATION_UNLOGGED,
        names.ANNOTATION_INCIDENT,
        names.ANNOTATION_APPROVALS,
        names.ANNOTATION_DRIFT,
    )
    annotations |= {key: text for key, text in zip(remembered, owed, strict=True) if text}
    return annotations


def _left(facts: Facts, row: Row) -> str | None:
    """The revision that users leave with this row, whose open connections get their time."""
    if Move.SWITCH in row.moves:
        return facts.serving
    if Move.WITHDRAW in row.moves and facts.rollout.open is not None:
        return facts.rollout.open.revision
    return None
