"""Data quality first: a broken feed is no drift. It blocks retraining and changes no baseline; serving goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from marquee.evidence.drift.counting import Histogram, Window, total
from marquee.evidence.drift.settings import QualitySettings


class Fault(StrEnum):
    """What is wrong with a feed."""

    SILENT = "Silent"
    FEW_ROWS = "FewRows"
    MANY_ROWS = "ManyRows"
    VANISHED = "Vanished"
    MISSING = "Missing"
    WRONG_TYPE = "WrongType"
    UNSEEN = "Unseen"
    OUT_OF_RANGE = "OutOfRange"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, with what is usual."""

    fault: Fault
    feature: str
    """Empty for the whole window."""
    seen: float
    """Rows of the window, or a share of them."""
    usual: float

    def __str__(self) -> str:
        where = self.feature or "requests"
        if self.fault in {Fault.SILENT, Fault.FEW_ROWS, Fault.MANY_ROWS}:
            return f"{where}: {self.fault.value}, {self.seen:,.0f} rows where {self.usual:,.0f} are usual"
        return f"{where}: {self.fault.value} {self.seen:.1%} where {self.usual:.1%} is usual"


def faults(window: Window, baseline: Sequence[Window], settings: QualitySettings) -> tuple[Finding, ...]:
    """What is wrong with a window; the baseline holds windows of the same label, one at least."""
    usual = median(each.rows for each in baseline)
    if not window.rows:
        return (Finding(Fault.SILENT, "", 0, usual),) if usual else ()
    return (*_volume(window, usual, settings), *_features(window, baseline, settings))


def _volume(window: Window, usual: float, settings: QualitySettings) -> Iterator[Finding]:
    if window.rows < settings.volume_low * usual:
        yield Finding(Fault.FEW_ROWS, "", window.rows, usual)
    elif window.rows > settings.volume_high * usual:
        yield Finding(Fault.MANY_ROWS, "", window.rows, usual)


def _features(window: Window, baseline: Sequence[Window], settings: QualitySettings) -> Iterator[Finding]:
    names = sorted({name for each in baseline for name in each.features})
    for name in names:
        reference = total(each.features[name] for each in baseline if name in each.features)
        counted = window.features.get(name)
        if counted is None or not counted.rows:
            yield Finding(Fault.VANISHED, name, 0.0, 1.0)
            continue
        yield from _shares(name, counted, reference, settings)


def _shares(name: str, counted: Histogram, reference: Histogram, settings: QualitySettings) -> Iterator[Finding]:
    seen, usual = _parts(counted), _parts(reference)
    limits = {
        Fault.MISSING: usual[Fault.MISSING] + settings.missing_rise,
        Fault.WRONG_TYPE: usual[Fault.WRONG_TYPE] + settings.wrong_share,
        Fault.UNSEEN: usual[Fault.UNSEEN] + settings.unseen_share,
        Fault.OUT_OF_RANGE: usual[Fault.OUT_OF_RANGE] + settings.outside_rise,
    }
    for fault, limit in limits.items():
        if seen[fault] > limit:
            yield Finding(fault, name, seen[fault], usual[fault])


def _parts(counted: Histogram) -> Mapping[Fault, float]:
    """Shares of a feature's values. Only a number's outer bins are out of range; a category's are two categories."""
    rows = max(counted.rows, 1)
    outside = counted.bins[0] + counted.bins[-1] if counted.ordered and len(counted.bins) > 2 else 0
    return {
        Fault.MISSING: counted.missing / rows,
        Fault.WRONG_TYPE: counted.wrong / rows,
        Fault.UNSEEN: counted.unseen / rows,
        Fault.OUT_OF_RANGE: outside / rows,
    }
