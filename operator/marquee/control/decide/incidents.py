"""The incident that an engaged kill switch is: when it began, how long the halt took, and its entries in the log.

An entry about it follows the act, as it says how long the act took: nothing waits for it. What is not in the log yet is
remembered on the Service, and tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from marquee.audit.events import KillSwitchTurned
from marquee.contract.holding import ANNOTATION_KILL, read_hold
from marquee.control.decide.decisions import AWAY_SECONDS, decision_after, is_away
from marquee.control.decide.facts import Facts
from marquee.control.decide.plan import Entry
from marquee.control.decide.reasoning import shares_of, subjects_of
from marquee.control.decide.table import Move, Row
from marquee.control.render import names
from marquee.control.render.incident import Incident, read_incident
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Decision, Snapshot

SAFE_ROW: Final = "safe"
_BELIEVED: Final = timedelta(hours=1)
"""Older than that, or of the future, the time in an annotation is no measure of how fast this operator was."""


@dataclass(frozen=True, slots=True)
class Turning:
    """What the Service is to remember, and what the log is to have before it does."""

    memory: str = ""
    """The Service's annotation after the plan; empty: nothing is to be remembered."""
    entries: tuple[Entry, ...] = ()
    due: bool = False
    """Something has to be entered that the log does not have."""


def turning(snapshot: Snapshot, facts: Facts, row: Row, record: RolloutRecord | None, *, quiet: bool) -> Turning:
    """The incident after a row's moves; ``quiet``: the plan enters nothing else, and nothing else is owed."""
    incident = _halted(snapshot, row, _turned(snapshot, facts))
    if incident is None:
        return Turning()
    if snapshot.audit is None or incident.logged:
        return Turning(incident.to_text() if incident.engaged else "")
    after = decision_after(snapshot, facts, row, record)
    if (
        after is None
        or not remembers(facts, row)
        or (incident.engaged and incident.halt is None and facts.kill is not None)
    ):
        return Turning(incident.to_text())  # it is entered with the time that it took
    if not quiet or is_away(snapshot):
        return Turning(incident.to_text(), due=True)
    entry = Entry(_identity(incident, after), _event(snapshot, incident, after), subjects_of(snapshot, after))
    logged = replace(incident, logged=True)
    return Turning(logged.to_text() if incident.engaged else "", (entry,))


def remembers(facts: Facts, row: Row) -> bool:
    """Whether the row's moves write the Service: what is entered must be remembered, or it is entered again."""
    is_there = facts.service is not None and not facts.service.deleting
    return is_there and facts.target is not None and Move.ENSURE in row.moves


def _turned(snapshot: Snapshot, facts: Facts) -> Incident | None:
    """The newest turn; one that the log does not have comes before the next."""
    if facts.service is None:
        return None
    known = read_incident(facts.service.annotations.get(names.ANNOTATION_INCIDENT))
    is_open = known is not None and snapshot.audit is not None and not known.logged
    if known is not None and (known.engaged == (facts.kill is not None) or is_open):
        return known
    if facts.kill is not None:
        at = _believed(snapshot, facts.kill.at)
        return Incident(engaged=True, at=at, by=facts.kill.by, reason=facts.kill.reason)
    if known is None:
        return None
    said = read_hold(snapshot.model.metadata.annotations.get(ANNOTATION_KILL))
    at = _believed(snapshot, said.moment if said is not None else None)
    return Incident(engaged=False, at=at, by=said.by if said else "", reason=said.reason if said else "")


def _believed(snapshot: Snapshot, said: datetime | None) -> str:
    is_recent = said is not None and timedelta(0) <= snapshot.now - said <= _BELIEVED
    moment = said if said is not None and is_recent else snapshot.now
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _halted(snapshot: Snapshot, row: Row, incident: Incident | None) -> Incident | None:
    """The time to halt is that of the first look at which nobody is sent anywhere else."""
    if incident is None or not incident.engaged or incident.halt is not None or row.name != SAFE_ROW:
        return incident
    passed = snapshot.now - datetime.fromisoformat(incident.at)
    return replace(incident, halt=max(0, round(passed.total_seconds() * 1000)))


def _identity(incident: Incident, after: Decision) -> Decision:
    """By which it is found in the log again: the turn and its time."""
    stage = "Engaged" if incident.engaged else "Lifted"
    return Decision(f"kill-switch@{incident.at}", 0, stage, (), after.uid)


def _event(snapshot: Snapshot, incident: Incident, after: Decision) -> KillSwitchTurned:
    turned = datetime.fromisoformat(incident.at)
    done = turned + timedelta(milliseconds=incident.halt or 0)
    return KillSwitchTurned(
        actor="",
        reason=incident.reason,
        engaged=incident.engaged,
        late=(snapshot.now - done).total_seconds() > AWAY_SECONDS,
        halt_milliseconds=incident.halt if incident.engaged else None,
        turned=turned,
        by=incident.by,
        model_uid=after.uid,
        shares=shares_of(after.shares),
    )
