"""Entries of the audit log about drift: one for each change of the verdict, when nothing else is entered.

Nothing waits for them, as nothing of serving follows from drift; what starts a training has an entry of its own. The
entry holds the digest of the window's counters, which whoever has the ledger's windows can compute again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from marquee.audit.events import DriftJudged, Subject
from marquee.control.decide.decisions import is_away
from marquee.control.decide.facts import Facts
from marquee.control.decide.incidents import Turning, remembers
from marquee.control.decide.plan import Entry
from marquee.control.decide.table import Row
from marquee.control.decide.watching import reading_of
from marquee.control.render import names
from marquee.control.snapshot import Decision, Snapshot
from marquee.judging.drifting import DriftState, DriftVerdict, counters_digest

_Entered = Literal["Stable", "Investigate", "Retrain", "BrokenFeed"]
_ENTERED: Final[dict[DriftState, _Entered]] = {
    DriftState.STABLE: "Stable",
    DriftState.INVESTIGATE: "Investigate",
    DriftState.RETRAIN: "Retrain",
    DriftState.BROKEN_FEED: "BrokenFeed",
}
"""Verdicts; that nothing is known is none."""


def drifting(snapshot: Snapshot, facts: Facts, row: Row, *, quiet: bool) -> Turning:
    """The verdict that the log does not have, and what is known when it has it."""
    drift = snapshot.model.spec.drift
    if facts.service is None or snapshot.audit is None or facts.external or drift is None:
        return Turning()
    known = facts.service.annotations.get(names.ANNOTATION_DRIFT, "")
    reading = reading_of(snapshot, facts.serving) if facts.serving is not None else None
    verdict = reading.verdict if reading is not None else None
    if facts.serving is None or verdict is None or verdict.state not in _ENTERED or verdict.started is None:
        return Turning(known)
    now = f"{facts.serving} {verdict.state.value}"
    if now == known or not remembers(facts, row):
        return Turning(known)
    if not quiet or is_away(snapshot):
        return Turning(known, due=True)
    ends = verdict.started + timedelta(seconds=drift.window_seconds)
    return Turning(now, (_entry(snapshot, facts.serving, verdict, verdict.started, ends),), due=True)


def _entry(snapshot: Snapshot, serving: str, verdict: DriftVerdict, start: datetime, end: datetime) -> Entry:
    uid, state = snapshot.model.metadata.uid, _ENTERED[verdict.state]
    window = verdict.window
    event = DriftJudged(
        actor="",
        reason=verdict.message,
        revision=serving,
        verdict=state,
        window_start=start,
        window_end=end,
        rows=window.rows if window is not None else 0,
        suspects=tuple(one.feature for one in verdict.suspects),
        model_uid=uid,
    )
    digest = (Subject(name="drift/counters", sha256=counters_digest(window)),) if window is not None else ()
    return Entry(decision_of(event), event, digest)


def decision_of(event: DriftJudged) -> Decision:
    """By which it is found in the log again: the revision, the window and the verdict."""
    at = event.window_start.isoformat(timespec="seconds")
    return Decision(f"drift@{event.revision}@{at}", 0, event.verdict, (), event.model_uid)
