"""From windows of integers to a verdict on drift: the same for the operator and the plugin, whoever counted them.

It is a function of ``spec.drift`` and of the ledger's integers alone: no state is kept from one window to the next, so
an operator that was killed says the same as one that was not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

import orjson

from marquee.api.drift import MAX_SUSPECTS, Drift, DriftSuspect
from marquee.contract.drift import DriftReply, Layout
from marquee.contract.manifest import ReferenceProfile
from marquee.evidence.drift.baselines import Baseline, baseline_of
from marquee.evidence.drift.counting import Window, total
from marquee.evidence.drift.performing import Performance, estimated, performance
from marquee.evidence.drift.verdict import Assessment, Tier, replay
from marquee.judging.performing import PerformanceVerdict, judge_performance
from marquee.judging.windows import broken_windows, settings_of, windows_of


class DriftState(StrEnum):
    """What is known: a tier of `marquee.evidence.drift.verdict`, or why there is none."""

    NO_PROFILE = "NoProfile"
    BROKEN_FEED = Tier.BROKEN_FEED
    INSUFFICIENT_DATA = Tier.INSUFFICIENT_DATA
    RETRAIN = Tier.RETRAIN
    INVESTIGATE = Tier.INVESTIGATE
    STABLE = Tier.STABLE


@dataclass(frozen=True, slots=True)
class DriftVerdict:
    """The verdict on the last complete window, and what it was reached by."""

    state: DriftState
    message: str
    """For people."""
    window: Window | None = None
    """None: there is none after the baseline."""
    started: datetime | None = None
    """When that window began."""
    suspects: tuple[DriftSuspect, ...] = ()
    """The largest effects of those that the verdict is about."""
    baseline: Baseline | None = None
    windows: tuple[Window, ...] = ()
    """Since the baseline, as far as they are looked at."""
    assessments: tuple[Assessment, ...] = ()
    """Of each of them."""
    estimate: Performance | None = None
    """How good the score of the last window is, if it is calibrated (CBPE); None: it is no probability."""
    usual: Performance | None = None
    """The same of the baseline's windows like it."""
    performance: PerformanceVerdict | None = None
    """On what became of the answers; None where the spec does not ask."""

    @property
    def estimated_loss(self) -> float | None:
        """How much of the baseline's area under the curve is lost by that estimate, as a share; None: not known."""
        now, before = self.estimate, self.usual
        if now is None or before is None or now.auc is None or not before.auc:
            return None
        return 1 - now.auc / before.auc


def judge_drift(reply: DriftReply, drift: Drift) -> DriftVerdict:
    """The verdict on the last complete window, and that on performance where the spec asks for it.

    Raises:
        EvidenceError: the integers contradict each other.

    """
    verdict = _judge(reply, drift)
    broken = frozenset[int]()
    if drift.performance is not None and verdict.baseline is not None and reply.profile is not None:
        layout = Layout(reply.profile, reply.output, reply.traces)
        broken = broken_windows(reply, layout, verdict.baseline, drift)
    return replace(verdict, performance=judge_performance(reply, drift, broken))


def _judge(reply: DriftReply, drift: Drift) -> DriftVerdict:
    if reply.profile is None:
        return DriftVerdict(DriftState.INSUFFICIENT_DATA, "no pod of the revision has reported to the ledger yet")
    if not reply.profile.counts_anything:
        return DriftVerdict(
            DriftState.NO_PROFILE,
            "the revision's artifact has no reference profile, so nothing is counted; train it again: docs/drift.md",
        )
    if reply.first is None:
        return DriftVerdict(DriftState.INSUFFICIENT_DATA, "there is no complete window yet")
    settings, end = settings_of(drift), reply.first + drift.baseline_windows
    layout = Layout(reply.profile, reply.output, reply.traces)
    usual = windows_of(reply.baseline, range(reply.first, min(end, reply.until)), layout, drift)
    baseline = baseline_of(usual, settings.quality)
    if reply.until <= end:
        words = f"the baseline has {len(usual)} of {drift.baseline_windows} windows"
        return DriftVerdict(DriftState.INSUFFICIENT_DATA, words, baseline=baseline)
    later = range(max(end, reply.until - drift.history_windows), reply.until)
    windows = windows_of(reply.windows, later, layout, drift)
    assessments = tuple(replay(windows, baseline, settings))
    last, window = assessments[-1], windows[-1]
    suspects = tuple(_suspect(last, name) for name in last.suspects[:MAX_SUSPECTS])
    return DriftVerdict(
        state=DriftState(last.tier),
        message=_in_words(last, window, baseline, drift, suspects),
        window=window,
        started=datetime.fromtimestamp(window.start * drift.window_seconds, UTC),
        suspects=suspects,
        baseline=baseline,
        windows=tuple(windows),
        assessments=assessments,
        estimate=_estimate([window], reply.profile, layout),
        usual=_estimate(baseline.like(window.label), reply.profile, layout),
    )


def counters_digest(window: Window) -> str:
    """SHA-256 in hexadecimal digits over canonical JSON: number of the window, rows, then by feature its bins, missing,
    wrong and unseen values.
    """
    features = {name: [*one.bins, one.missing, one.wrong, one.unseen] for name, one in window.features.items()}
    document = [window.start, window.rows, features]
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _suspect(assessment: Assessment, name: str) -> DriftSuspect:
    comparison = assessment.comparisons[name]
    return DriftSuspect(
        feature=name,
        stability_index=round(comparison.stability_index, 4),
        p_value=float(f"{comparison.p_value:.2g}"),
    )


def _in_words(
    assessment: Assessment, window: Window, baseline: Baseline, drift: Drift, suspects: Sequence[DriftSuspect]
) -> str:
    named = ", ".join(f"{one.feature} (PSI {one.stability_index:.3f})" for one in suspects)
    alike = len(baseline.like(window.label))
    match assessment.tier:
        case Tier.BROKEN_FEED:
            found = "; ".join(map(str, assessment.faults[:MAX_SUSPECTS]))
            return f"the feed is broken: {found}; repair it, nothing is retrained by it"
        case Tier.RETRAIN:
            return f"what the model sees has changed for good: {named}"
        case Tier.INVESTIGATE:
            return f"what the model sees differs from its baseline: {named}"
        case Tier.STABLE:
            return f"{window.rows:,} rows are like {alike} windows of the baseline"
    if alike < drift.thresholds.minimum_baseline:
        label = f" like {window.label}" if window.label else ""
        return f"the baseline has {alike} windows{label}, and needs {drift.thresholds.minimum_baseline}"
    floor = drift.thresholds.effect_floor
    return f"{window.rows:,} rows are too few to see a PSI of {floor}: longer windows, or a higher effectFloor"


def _estimate(windows: Sequence[Window], profile: ReferenceProfile, layout: Layout) -> Performance | None:
    score = profile.score
    if not windows or score is None or not score.means or not 0 <= score.means[0] <= score.means[-1] <= 1:
        return None
    counted = total(window.features[layout.blocks[-1].name] for window in windows)
    return performance(estimated(score.means, counted.bins))
