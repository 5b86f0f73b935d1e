"""Drift as people read it: a condition, a part of the status, and an event when the verdict changes. Nothing else
follows from it: who serves whom is decided without it.
"""

from __future__ import annotations

from typing import Final

from marquee.api.conditions import ConditionDraft, ConditionType, Reason
from marquee.api.drift import DriftStatus
from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.types import timestamp
from marquee.control.decide.performing import performance_status
from marquee.control.decide.plan import DriftQuestion, Notice
from marquee.control.decide.watching import draft, known_of, reading_of
from marquee.control.snapshot import Snapshot
from marquee.evidence.drift.performing import Performance
from marquee.judging.drifting import DriftState, DriftVerdict

_LONGEST: Final = 1024
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
    reading = reading_of(snapshot, serving)
    if reading is not None and reading.failure:
        return _draft(None, Reason.LEDGER_UNAVAILABLE, reading.failure)
    if reading is not None and (verdict := reading.verdict) is not None:
        return _draft(_WITHIN[verdict.state], Reason(verdict.state.value), verdict.message)
    if (known := known_of(snapshot, serving, ConditionType.DRIFT_WITHIN_BOUNDS)) is not None:
        return known
    return _draft(None, Reason.INSUFFICIENT_DATA, "the ledger was not asked yet")


def drift_status(snapshot: Snapshot, serving: str | None) -> DriftStatus | None:
    """What the last window has shown; while nothing new is known of the revision, what was known before."""
    if snapshot.model.spec.drift is None or serving is None:
        return None
    reading, performance = reading_of(snapshot, serving), performance_status(snapshot, serving)
    if reading is None or reading.verdict is None:
        before = snapshot.model.status.drift
        known = before if before is not None and before.revision == serving else DriftStatus(revision=serving)
        return known.model_copy(update={"performance": performance})
    return _status_of(serving, reading.verdict).model_copy(update={"performance": performance})


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


def _draft(status: bool | None, reason: Reason, message: str) -> ConditionDraft:
    return draft(ConditionType.DRIFT_WITHIN_BOUNDS, status, reason, message)


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
