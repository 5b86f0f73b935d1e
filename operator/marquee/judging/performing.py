"""From windows of outcomes by score to a verdict on realised performance: the same for the operator and the plugin.

As that on drift it is a function of the spec and of the ledger's integers alone; time is the ledger's, in windows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from marquee.api.drift import KEPT_SECONDS, Drift
from marquee.api.performance import MeasuredPerformance
from marquee.contract.drift import DRIFT_PATH, DriftReply
from marquee.contract.ledger import MetricDeclaration, MetricKind
from marquee.contract.performance import PerformanceWindow
from marquee.evidence.drift.gaps import GapSettings, GapTier, Judged, judge_gaps
from marquee.evidence.drift.realising import Gap, Matured, Realised, Unusable, loss, realised


class PerformanceState(StrEnum):
    """What is known: a tier of `marquee.evidence.drift.gaps`, or that nothing new is."""

    CONCEPT_DRIFT = GapTier.CONCEPT_DRIFT
    STALE = "Stale"
    """Windows have matured, and none could be measured for too long."""
    INSUFFICIENT_DATA = GapTier.INSUFFICIENT_DATA
    STABLE = GapTier.STABLE


@dataclass(frozen=True, slots=True)
class PerformanceVerdict:
    """The verdict on the last measured window, and what it was reached by."""

    state: PerformanceState
    message: str
    """For people."""
    outcome: str
    judged: tuple[Judged, ...] = ()
    """Measured windows, those of the baseline included."""
    started: datetime | None = None
    """When the last of them began."""
    loss: float | None = None
    """Of the baseline's area under the curve, in the last windows, certain at 99 %, as a share."""
    broken: tuple[Realised, ...] = ()
    """Matured windows of a broken feed, which are not judged: what they show tells of the feed, not of the model."""

    @property
    def windows(self) -> tuple[Realised, ...]:
        """Those that are judged, and those of a broken feed, in their order."""
        return tuple(sorted((*(one.realised for one in self.judged), *self.broken), key=lambda one: one.window))

    @property
    def last(self) -> Realised | None:
        """The last measured window."""
        return self.judged[-1].realised if self.judged else None


_WHY: Final = {
    Unusable.NO_ANSWERS: "had no answer whose id says its score",
    Unusable.TOO_FEW: "promised too few outcomes to judge: longer windows",
    Unusable.NO_OUTCOMES: "had no outcome at all: are outcomes reported?",
    Unusable.BROKEN_FEED: "is one of a broken feed: repair it",
    Unusable.UNACCOUNTED: "has more outcomes than answers: counters were lost",
}


def declaration_of(performance: MeasuredPerformance) -> MetricDeclaration:
    """What the ledger is told to count."""
    return MetricDeclaration(outcome=performance.outcome, kind=performance.kind, cap=performance.cap)


def windows_wanted(drift: Drift) -> int:
    """How many of the last complete windows a verdict on performance looks at; 0: none is asked for."""
    if drift.performance is None:
        return 0
    return min(_unripe(drift.performance, drift) + drift.history_windows, KEPT_SECONDS // drift.window_seconds)


def drift_path(model: str, revision: str, drift: Drift) -> str:
    """Where the ledger has the windows that both verdicts need: of what was seen, too, as far back as outcomes are
    looked at, since a window of a broken feed says nothing of the model.
    """
    wanted = windows_wanted(drift)
    last = max(drift.history_windows, wanted)
    windows = f"baseline={drift.baseline_windows}&last={last}&performance={wanted}"
    return f"{DRIFT_PATH}/{model}/{revision}?seconds={drift.window_seconds}&{windows}"


def judge_performance(
    reply: DriftReply, drift: Drift, broken: Collection[int] = frozenset()
) -> PerformanceVerdict | None:
    """The verdict on the last measured window; None where the spec does not ask.

    Args:
        reply: the ledger's.
        drift: of the spec.
        broken: numbers of the windows whose feed was broken.

    Raises:
        EvidenceError: the integers contradict each other.

    """
    spec = drift.performance
    if spec is None:
        return None
    hindered = _hindrance(reply, spec)
    if hindered or reply.profile is None or reply.profile.score is None or reply.performance is None:
        return _unknown(spec, hindered)
    until = reply.until - _unripe(spec, drift)
    if reply.first is None or until <= reply.first:
        return _unknown(spec, "outcomes of the first window are waited for")
    found = {window.index: window for window in reply.performance.windows}
    end = min(reply.first + drift.baseline_windows, until)
    late = max(end, reply.until - windows_wanted(drift))
    nothing = PerformanceWindow(index=0, rows=(0,) * len(reply.profile.score.counts), outcomes=())
    windows = [
        _known(realised(_matured(index, found.get(index, nothing), spec), reply.profile.score.means), broken)
        for index in (*range(reply.first, end), *range(late, until))
    ]
    judged = judge_gaps(windows, _settings(spec, drift))
    return _verdict(reply, drift, spec, windows, judged, end)


def _known(window: Realised, broken: Collection[int]) -> Realised:
    return replace(window, unusable=Unusable.BROKEN_FEED) if window.window in broken else window


def _hindrance(reply: DriftReply, spec: MeasuredPerformance) -> str:
    """Why nothing can be measured, in words; empty: it can."""
    score = reply.profile.score if reply.profile is not None else None
    if reply.profile is None:
        return "no pod of the revision has reported to the ledger yet"
    if score is None or not score.means:
        return "the artifact's reference profile has no mean scores: train it again, see docs/drift.md"
    if not reply.traces:
        return "ids of the revision's pods do not say the score: they are of an earlier version of Marquee"
    if spec.kind is MetricKind.PROPORTION and not 0 <= score.means[0] <= score.means[-1] <= 1:
        return "the score is no probability: set kind Mean for values"
    if reply.performance is None or reply.performance.metric != declaration_of(spec):
        return f"the ledger begins to count the outcome {spec.outcome} now"
    return ""


def _verdict(
    reply: DriftReply,
    drift: Drift,
    spec: MeasuredPerformance,
    windows: list[Realised],
    judged: tuple[Judged, ...],
    end: int,
) -> PerformanceVerdict:
    assert reply.first is not None  # noqa: S101 - as the caller has checked
    newest = judged[-1].realised.window if judged else reply.first - 1
    silent = (reply.until - newest - 1) * drift.window_seconds - spec.mature_after_seconds
    state, message = _said(judged, spec, drift)
    if silent > spec.stale_after_seconds and windows[-1].window > newest:
        why = next((_WHY[one.unusable] for one in reversed(windows) if one.unusable is not None), "")
        since = f"since {_moment(newest + 1, drift):%Y-%m-%d %H:%M} UTC" if judged else "yet"
        state, message = PerformanceState.STALE, f"nothing was measured {since}: the last window {why}"
    elif not judged and windows and windows[-1].unusable is not None:
        message = f"the last window {_WHY[windows[-1].unusable]}"
    usual = [one.realised for one in judged if one.realised.window < end]
    later = [one.realised for one in judged if one.realised.window >= end][-drift.thresholds.confirmations :]
    noise = judged[-1].noise.get(Gap.DISCRIMINATION, 1.0) if judged else 1.0
    return PerformanceVerdict(
        state,
        message,
        spec.outcome,
        judged,
        _moment(newest, drift) if judged else None,
        loss(later, usual, noise) if later and usual else None,
        tuple(one for one in windows if one.unusable is Unusable.BROKEN_FEED),
    )


def _said(judged: tuple[Judged, ...], spec: MeasuredPerformance, drift: Drift) -> tuple[PerformanceState, str]:
    if not judged:
        return PerformanceState.INSUFFICIENT_DATA, "no window could be measured yet"
    last, needed = judged[-1], _settings(spec, drift).minimum_windows
    state = PerformanceState(last.tier)
    if state is PerformanceState.INSUFFICIENT_DATA:
        return state, f"{len(judged)} windows were measured; how much they waver is known after {needed}"
    told = "; ".join(_in_words(gap, last) for gap in sorted(last.streaks, key=lambda gap: -abs(last.streaks[gap])))
    if state is PerformanceState.CONCEPT_DRIFT:
        return state, f"scores do not keep what they promise: {told}"
    rows = f"{last.realised.outcomes:,} outcomes of {last.realised.rows:,} answers"
    return state, f"{rows} are what the scores promise" if not told else f"{rows}; {told}, not confirmed yet"


def _in_words(gap: Gap, judged: Judged) -> str:
    found, length = judged.realised, abs(judged.streaks[gap])
    windows = f"{length} window{'s' if length > 1 else ''} in a row"
    difference = (found.differences or {})[gap]
    if gap is Gap.CALIBRATION:
        side = "above" if difference.effect > 0 else "below"
        return f"outcomes are {abs(difference.effect):.0%} {side} the promise, {windows}"
    return f"the area under the curve is {abs(difference.effect):.3f} below the promise, {windows}"


def _matured(index: int, window: PerformanceWindow, spec: MeasuredPerformance) -> Matured:
    unit, size = 10 ** declaration_of(spec).decimals, len(window.rows)
    if spec.kind is MetricKind.PROPORTION:
        return Matured(index, window.rows, window.outcomes or (0,) * size)
    return Matured(
        index,
        window.rows,
        window.outcomes or (0,) * size,
        tuple(total / unit for total in window.totals) or (0.0,) * size,
        tuple(square / unit**2 for square in window.squares) or (0.0,) * size,
    )


def _settings(spec: MeasuredPerformance, drift: Drift) -> GapSettings:
    gap = spec.maximum_gap
    return GapSettings(calibration=gap.calibration, area=gap.auc, confirmations=drift.thresholds.confirmations)


def _unripe(spec: MeasuredPerformance, drift: Drift) -> int:
    """Complete windows for which outcomes are still waited for."""
    return -(-spec.mature_after_seconds // drift.window_seconds)


def _moment(index: int, drift: Drift) -> datetime:
    return datetime.fromtimestamp(index * drift.window_seconds, UTC)


def _unknown(spec: MeasuredPerformance, why: str) -> PerformanceVerdict:
    return PerformanceVerdict(PerformanceState.INSUFFICIENT_DATA, why, spec.outcome)
