"""The ledger's integers as windows that are judged: with labels, in order, and whether their feed was whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from marquee.api.drift import Alike, Drift
from marquee.contract.drift import SPECIALS, DriftReply, DriftWindow, Layout
from marquee.evidence.drift.baselines import Baseline
from marquee.evidence.drift.counting import Histogram, Window
from marquee.evidence.drift.quality import faults
from marquee.evidence.drift.settings import DriftSettings, QualitySettings

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = 86_400


def settings_of(drift: Drift) -> DriftSettings:
    """The evidence's settings."""
    return DriftSettings(**drift.thresholds.model_dump(), quality=QualitySettings(**drift.quality.model_dump()))


def label_of(index: int, drift: Drift) -> str:
    """A window's label: a name of the calendar, or else what makes it alike to others."""
    began = datetime.fromtimestamp(index * drift.window_seconds, UTC)
    for days in drift.calendar:
        if days.start <= began.date() <= days.end:
            return days.label
    if drift.alike is Alike.NONE:
        return ""
    weekday = _WEEKDAYS[began.weekday()]
    return weekday if drift.window_seconds == _DAY else f"{weekday} {began:%H:%M}"


def windows_of(found: Sequence[DriftWindow], indexes: range, layout: Layout, drift: Drift) -> list[Window]:
    """All windows in order; one that counted nothing is a window without rows."""
    counted = {window.index: window.counters for window in found}
    nothing = (0,) * layout.size
    return [_window(index, counted.get(index, nothing), layout, drift) for index in indexes]


def broken_windows(reply: DriftReply, layout: Layout, baseline: Baseline, drift: Drift) -> frozenset[int]:
    """Numbers of the windows whose feed was broken, of the baseline and of all that the reply has after it."""
    assert reply.first is not None  # noqa: S101 - what has a baseline has a first window
    end, quality = reply.first + drift.baseline_windows, settings_of(drift).quality
    found = {window.start for window in baseline.excluded}
    for told in reply.windows:
        if told.index < end:
            continue
        window = _window(told.index, told.counters, layout, drift)
        alike = baseline.like(window.label)
        if alike and faults(window, alike, quality):
            found.add(window.start)
    return frozenset(found)


def _window(index: int, counters: Sequence[int], layout: Layout, drift: Drift) -> Window:
    features = dict(_histograms(counters, layout))
    # an answer may be given a moment after its row, and then in the next window
    rows = max(counters[0], *(histogram.rows for histogram in features.values()))
    return Window(index, label_of(index, drift), features, rows)


def _histograms(counters: Sequence[int], layout: Layout) -> Iterator[tuple[str, Histogram]]:
    for block in layout.blocks:
        split = block.start + block.bins
        special = dict(zip(SPECIALS, counters[split : block.end], strict=True))
        yield block.name, Histogram(tuple(counters[block.start : split]), **special, ordered=block.ordered)
