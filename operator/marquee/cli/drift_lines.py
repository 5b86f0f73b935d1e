"""A verdict on drift for people: a table of features with sparklines, and old and new histograms of the worst."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from marquee.cli.performance_lines import performance_document, performance_lines
from marquee.cli.screen import Screen, Tone
from marquee.contract.drift import SCORE_PREFIX, DriftReply
from marquee.contract.manifest import CategoryProfile, ReferenceProfile
from marquee.evidence.drift.counting import Histogram, total
from marquee.evidence.drift.verdict import Assessment
from marquee.judging.drifting import DriftState, DriftVerdict

MOST_ROWS: Final = 10
MOST_HISTOGRAMS: Final = 3
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_PLAIN: Final = "_.-=+*%#"
_TONES: Final = {
    DriftState.STABLE: Tone.GOOD,
    DriftState.INVESTIGATE: Tone.WAITING,
    DriftState.RETRAIN: Tone.BAD,
    DriftState.BROKEN_FEED: Tone.BAD,
    DriftState.INSUFFICIENT_DATA: Tone.WAITING,
    DriftState.NO_PROFILE: Tone.WAITING,
}


def drift_lines(
    path: str, revision: str, reply: DriftReply, verdict: DriftVerdict, screen: Screen, *, everything: bool = False
) -> Iterator[str]:
    """All lines."""
    yield from _seen(path, revision, reply, verdict, screen, everything=everything)
    if verdict.performance is not None:
        yield ""
        yield from performance_lines(verdict.performance, reply.seconds, screen, everything=everything)


def _seen(
    path: str, revision: str, reply: DriftReply, verdict: DriftVerdict, screen: Screen, *, everything: bool
) -> Iterator[str]:
    yield f"{screen.paint(path, Tone.STRONG)}: revision {revision}, windows of {_length(reply.seconds)}"
    yield from screen.labelled("verdict", f"{verdict.state.value}: {verdict.message}", _TONES[verdict.state])
    if verdict.window is None or verdict.baseline is None or verdict.started is None:
        return
    label = f", {verdict.window.label}" if verdict.window.label else ""
    yield from screen.labelled("window", f"{_moment(verdict.started)}{label}, {verdict.window.rows:,} rows")
    excluded = len(verdict.baseline.excluded)
    alike = len(verdict.baseline.like(verdict.window.label))
    broken = f"; {excluded} of a broken feed left out" if excluded else ""
    yield from screen.labelled("baseline", f"{alike} windows alike{broken}")
    if reply.lost:
        yield from screen.labelled("lost", f"{reply.lost} batches of counters never came", Tone.WAITING)
    if (estimate := verdict.estimate) is not None and estimate.auc is not None:
        before = f" (baseline {verdict.usual.auc:.3f})" if verdict.usual is not None and verdict.usual.auc else ""
        words = f"AUC {estimate.auc:.3f}{before}, Brier {estimate.brier:.4f}, if the score is calibrated"
        yield from screen.labelled("estimate", words)
    ranked = _ranked(verdict)
    if not ranked:
        return
    yield ""
    yield from _table(verdict, ranked if everything else ranked[:MOST_ROWS], screen)
    if not everything and len(ranked) > MOST_ROWS:
        yield f"  {len(ranked) - MOST_ROWS} more features with --all"
    assert reply.profile is not None  # noqa: S101 - what has windows has a profile
    for name in (verdict.assessments[-1].suspects or ranked[:1])[:MOST_HISTOGRAMS]:
        yield ""
        yield from _histograms(name, verdict, reply.profile, screen)


def document_of(path: str, revision: str, reply: DriftReply, verdict: DriftVerdict) -> str:
    """The same as JSON, with every feature."""
    last = verdict.assessments[-1] if verdict.assessments else None
    document: dict[str, Any] = {
        "model": path,
        "revision": revision,
        "windowSeconds": reply.seconds,
        "verdict": verdict.state.value,
        "message": verdict.message,
        "window": verdict.started.isoformat() if verdict.started is not None else None,
        "rows": verdict.window.rows if verdict.window is not None else 0,
        "lostBatches": reply.lost,
        "suspects": [suspect.feature for suspect in verdict.suspects],
        "faults": [str(fault) for fault in last.faults] if last is not None else [],
        "estimatedAuc": verdict.estimate.auc if verdict.estimate is not None else None,
        "features": [_feature_document(name, verdict, last) for name in _ranked(verdict)] if last is not None else [],
    }
    if verdict.performance is not None:
        document["performance"] = performance_document(verdict.performance, reply.seconds)
    return json.dumps(document, ensure_ascii=False, indent=2)


def sparkline(values: Sequence[float | None], screen: Screen) -> str:
    """One character a value, the largest highest; a space where there is none."""
    blocks = _BLOCKS if screen.encodable(_BLOCKS) == _BLOCKS else _PLAIN
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        " " if value is None else blocks[min(len(blocks) - 1, math.floor(len(blocks) * value / most))]
        for value in values
    )


def _feature_document(name: str, verdict: DriftVerdict, last: Assessment) -> dict[str, Any]:
    comparison = last.comparisons[name]
    assert verdict.window is not None  # noqa: S101 - what is compared has a window
    return {
        "feature": name,
        "stabilityIndex": comparison.stability_index,
        "pValue": comparison.p_value,
        "designEffect": comparison.design_effect,
        "baseline": list(_usual(name, verdict).bins),
        "window": list(verdict.window.features[name].bins),
    }


def _ranked(verdict: DriftVerdict) -> list[str]:
    """Features that were compared, the largest effect first."""
    if not verdict.assessments:
        return []
    found = verdict.assessments[-1].comparisons
    return sorted(found, key=lambda name: (-found[name].stability_index, name))


def _table(verdict: DriftVerdict, names: Sequence[str], screen: Screen) -> Iterator[str]:
    last, rows = verdict.assessments[-1], []
    for name in names:
        comparison = last.comparisons[name]
        series = [
            assessment.comparisons[name].stability_index if name in assessment.comparisons else None
            for assessment in verdict.assessments
        ]
        mark = "*" if name in last.suspects else ""
        rows.append(
            (
                name + mark,
                f"{comparison.stability_index:.4f}",
                f"{comparison.p_value:.2g}",
                f"{comparison.design_effect:.1f}",
                sparkline(series, screen),
            )
        )
    yield from screen.table(("feature", "PSI", "p", "design effect", "PSI by window"), rows, indent=2)


def _usual(name: str, verdict: DriftVerdict) -> Histogram:
    assert verdict.baseline is not None and verdict.window is not None  # noqa: S101, PT018 - as of all that is compared
    return total(verdict.baseline.histograms(verdict.window.label, name))


def _histograms(name: str, verdict: DriftVerdict, profile: ReferenceProfile, screen: Screen) -> Iterator[str]:
    assert verdict.window is not None  # noqa: S101 - as of all that is compared
    before, now = _usual(name, verdict), verdict.window.features[name]
    yield f"  {screen.paint(name, Tone.STRONG)}"
    for title, histogram in (("baseline", before), ("window", now)):
        shares = [count / max(histogram.valid, 1) for count in histogram.bins]
        yield f"    {title:<9} {sparkline(shares, screen)}  {histogram.valid:,} rows".rstrip()
    moved = [
        (seen / max(now.valid, 1) - usual / max(before.valid, 1), place)
        for place, (seen, usual) in enumerate(zip(now.bins, before.bins, strict=True))
    ]
    difference, place = max(moved, key=lambda pair: abs(pair[0]))
    usual, seen = before.bins[place] / max(before.valid, 1), now.bins[place] / max(now.valid, 1)
    yield f"    most in {_bin_name(name, place, profile)}: {usual:.1%} before, {seen:.1%} now ({difference:+.1%})"


def _bin_name(name: str, place: int, profile: ReferenceProfile) -> str:
    found = profile.score if name.startswith(SCORE_PREFIX) else profile.features[name]
    if isinstance(found, CategoryProfile):
        listed = sorted(found.counts)
        return repr(listed[place]) if place < len(listed) else "the other categories"
    assert found is not None  # noqa: S101 - what was counted has bins
    if place == 0:
        return f"below {found.edges[0]:g}"
    if place == len(found.edges):
        return f"from {found.edges[-1]:g} on"
    return f"{found.edges[place - 1]:g} to {found.edges[place]:g}"


def _length(seconds: int) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} s"


def _moment(started: datetime) -> str:
    return f"{started.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
