"""Realised performance as people read it: a condition, a part of the status, and an event when the verdict changes."""

from __future__ import annotations

from typing import Final

from marquee.api.conditions import ConditionDraft, ConditionType, Reason
from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.performance import PerformanceStatus
from marquee.api.types import timestamp
from marquee.control.decide.plan import Notice
from marquee.control.decide.watching import draft, known_of, reading_of
from marquee.control.snapshot import Snapshot
from marquee.evidence.drift.realising import Gap, Realised
from marquee.judging.performing import PerformanceState, PerformanceVerdict

_LONGEST: Final = 1024
_DIGITS: Final = 4
_WITHIN: Final[dict[PerformanceState, bool | None]] = {
    PerformanceState.STABLE: True,
    PerformanceState.CONCEPT_DRIFT: False,
    PerformanceState.STALE: False,
    PerformanceState.INSUFFICIENT_DATA: None,
}
_WORTH_AN_EVENT: Final = frozenset({PerformanceState.CONCEPT_DRIFT.value, PerformanceState.STALE.value})


def performance_draft(snapshot: Snapshot, serving: str | None) -> ConditionDraft | None:
    """The condition; None where the spec does not ask for it."""
    drift = snapshot.model.spec.drift
    if drift is None or drift.performance is None:
        return None
    kind = ConditionType.PERFORMANCE_WITHIN_BOUNDS
    if snapshot.ledger is None:
        words = "the operator has no ledger, so nothing is counted: set MARQUEE_OPERATOR_LEDGER_URL"
        return draft(kind, None, Reason.LEDGER_UNAVAILABLE, words)
    if serving is None:
        return draft(kind, None, Reason.INSUFFICIENT_DATA, "no revision serves yet")
    reading = reading_of(snapshot, serving)
    if reading is not None and reading.failure:
        return draft(kind, None, Reason.LEDGER_UNAVAILABLE, reading.failure)
    if (verdict := _verdict(snapshot, serving)) is not None:
        return draft(kind, _WITHIN[verdict.state], Reason(verdict.state.value), verdict.message)
    if (known := known_of(snapshot, serving, kind)) is not None:
        return known
    return draft(kind, None, Reason.INSUFFICIENT_DATA, "the ledger was not asked yet")


def performance_status(snapshot: Snapshot, serving: str | None) -> PerformanceStatus | None:
    """What the last measured window has shown; while nothing new is known of the revision, what was known before."""
    drift = snapshot.model.spec.drift
    if drift is None or drift.performance is None or serving is None:
        return None
    if (verdict := _verdict(snapshot, serving)) is not None:
        return _status_of(verdict)
    before = snapshot.model.status.drift
    kept = before.performance if before is not None and before.revision == serving else None
    return kept if kept is not None and kept.outcome == drift.performance.outcome else None


def performance_notices(snapshot: Snapshot, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """An event when a verdict is another than before, and when it is good again: one for each change."""
    before, now = snapshot.model.status.drift, status.drift
    if now is None or now.performance is None:
        return ()
    is_same = before is not None and before.revision == now.revision
    known = before.performance.verdict if before is not None and is_same and before.performance is not None else ""
    verdict, note = now.performance.verdict, f"performance: {now.performance.message}"[:_LONGEST]
    if known == verdict:
        return ()
    if verdict in _WORTH_AN_EVENT:
        return (Notice(warning=True, reason=Reason(verdict), note=note),)
    recovers = known in _WORTH_AN_EVENT and verdict == PerformanceState.STABLE
    return (Notice(warning=False, reason=Reason.STABLE, note=note),) if recovers else ()


def _verdict(snapshot: Snapshot, serving: str) -> PerformanceVerdict | None:
    reading = reading_of(snapshot, serving)
    return reading.verdict.performance if reading is not None and reading.verdict is not None else None


def _status_of(verdict: PerformanceVerdict) -> PerformanceStatus:
    last = verdict.last or Realised(0, 0, 0)
    promised, found = last.promised, last.performance
    calibration = (last.differences or {}).get(Gap.CALIBRATION)
    return PerformanceStatus(
        verdict=verdict.state.value,
        outcome=verdict.outcome,
        message=verdict.message[:_LONGEST],
        window=timestamp(verdict.started) if verdict.started is not None else None,
        rows=last.rows,
        outcomes=last.outcomes,
        promised_auc=_rounded(promised.auc if promised is not None else None),
        realised_auc=_rounded(found.auc if found is not None else None),
        realised_brier=_rounded(found.brier if found is not None else None),
        calibration_error=_rounded(found.calibration_error if found is not None else None),
        calibration_gap=_rounded(calibration.effect if calibration is not None else None),
        mean_error=_rounded(last.mean_error),
        root_mean_square_error=_rounded(last.root_mean_square_error),
        loss=_rounded(verdict.loss),
    )


def _rounded(value: float | None) -> float | None:
    return round(value, _DIGITS) if value is not None else None
