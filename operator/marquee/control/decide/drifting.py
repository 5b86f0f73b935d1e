"""Drift as people read it: a condition, a part of the status, and an event when the verdict changes. Nothing else
follows from it: who serves whom is decided without it.
"""

from __future__ import annotations

from typing import Final

from marquee.api.conditions import Condition, ConditionDraft, ConditionType, Reason
from marquee.api.drift import DriftStatus
from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.types import timestamp
from marquee.control.decide.plan import DriftQuestion, Notice
from marquee.control.snapshot import DriftReading, Snapshot
from marquee.evidence.drift.performing import Performance
from marquee.judging.drifting import DriftState, DriftVerdict

_LONGEST: Final = 1024
_STATUS: Final[dict[str, bool | None]] = {"True": True, "False": False, "Unknown": None}
_WITHIN: Final[dict[DriftState, bool | None]] = {
    DriftState.STABLE: True,
    DriftState.INVESTIGATE: False,
    DriftState.RETRAIN: False,
    DriftState.BROKEN_FEED: False,
    DriftState.INSUFFICIENT_DATA: None,
    DriftState.NO_PROFILE: None,
}
_WORTH_AN_EVENT: Final = frozenset(
    state.value for state in DriftState if state not in {DriftState.STABLE, DriftState.INSUFFICIENT_DATA}
)


def question_of(snapshot: Snapshot, serving: str | None) -> DriftQuestion | None:
    """Whose windows are to be read: the serving revision's, where the spec asks for it."""
    drift = snapshot.model.spec.drift
    return DriftQuestion(serving, drift) if drift is not None and serving is not None else None


def drift_draft(snapshot: Snapshot, serving: str | None) -> ConditionDraft | None:
    """The condition; None where the spec does not ask for it."""
    if snapshot.model.spec.drift is None:
        return None
    if snapshot.ledger is None:
        words = "the operator has no ledger, so nothing is counted: set MARQUEE_OPERATOR_LEDGER_URL"
        return _draft(None, Reason.LEDGER_UNAVAILABLE, words)
    if serving is None:
        return _draft(None, Reason.INSUFFICIENT_DATA, "no revision serves yet")
    reading = _reading(snapshot, serving)
    if reading is not None and reading.failure:
        return _draft(None, Reason.LEDGER_UNAVAILABLE, reading.failure)
    if reading is not None and (verdict := reading.verdict) is not None:
        return _draft(_WITHIN[verdict.state], Reason(verdict.state.value), verdict.message)
    if (known := _known(snapshot, serving)) is not None:
        return _draft(_STATUS[known.status], Reason(known.reason), known.message)
    return _draft(None, Reason.INSUFFICIENT_DATA, "the ledger was not asked yet")


def drift_status(snapshot: Snapshot, serving: str | None) -> DriftStatus | None:
    """What the last window has shown; while nothing new is known of the revision, what was known before."""
    if snapshot.model.spec.drift is None or serving is None:
        return None
    reading = _reading(snapshot, serving)
    if reading is None or reading.verdict is None:
        before = snapshot.model.status.drift
        return before if before is not None and before.revision == serving else DriftStatus(revision=serving)
    return _status_of(serving, reading.verdict)


def drift_notices(snapshot: Snapshot, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """An event when a verdict is another than before, and when it is good again: one for each change."""
    before, now = snapshot.model.status.drift, status.drift
    if now is None or not now.verdict:
        return ()
    known = before.verdict if before is not None and before.revision == now.revision else ""
    if known == now.verdict:
        return ()
    if now.verdict in _WORTH_AN_EVENT:
        return (Notice(warning=True, reason=Reason(now.verdict), note=now.message),)
    recovers = known in _WORTH_AN_EVENT and now.verdict == DriftState.STABLE
    return (Notice(warning=False, reason=Reason.STABLE, note=now.message),) if recovers else ()


def _reading(snapshot: Snapshot, serving: str) -> DriftReading | None:
    """Of the serving revision; what was read of another one says nothing of it."""
    reading = snapshot.drift
    return reading if reading is not None and reading.revision == serving else None


def _known(snapshot: Snapshot, serving: str) -> Condition | None:
    """The stored condition, when it is about this revision: an operator that has just started keeps it."""
    before = snapshot.model.status.drift
    if before is None or before.revision != serving:
        return None
    conditions = snapshot.model.status.conditions
    found = next((one for one in conditions if one.type == ConditionType.DRIFT_WITHIN_BOUNDS), None)
    return found if found is not None and found.reason in set(Reason) else None


def _draft(status: bool | None, reason: Reason, message: str) -> ConditionDraft:
    return ConditionDraft(
        type=ConditionType.DRIFT_WITHIN_BOUNDS, status=status, reason=reason, message=message[:_LONGEST]
    )


def _auc(estimate: Performance | None) -> float | None:
    return round(estimate.auc, 4) if estimate is not None and estimate.auc is not None else None


def _status_of(serving: str, verdict: DriftVerdict) -> DriftStatus:
    return DriftStatus(
        revision=serving,
        verdict=verdict.state.value,
        window=timestamp(verdict.started) if verdict.started is not None else None,
        rows=verdict.window.rows if verdict.window is not None else 0,
        message=verdict.message[:_LONGEST],
        estimated_auc=_auc(verdict.estimate),
        usual_auc=_auc(verdict.usual),
        suspects=verdict.suspects,
    )
