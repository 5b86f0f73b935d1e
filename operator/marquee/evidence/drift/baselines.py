"""Which windows a window is compared with: those of the same label, without the ones of a broken feed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from marquee.evidence.drift.counting import Histogram, Window
from marquee.evidence.drift.quality import faults
from marquee.evidence.drift.settings import QualitySettings
from marquee.evidence.drift.shifting import Level, level_of
from marquee.evidence.drift.wavering import Wavering, wavering_of


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual, by label; made once and used for many windows."""

    by_label: Mapping[str, tuple[Window, ...]]
    levels: Mapping[str, Level]
    """By feature, of numbers."""
    wavering: Mapping[str, Wavering]
    """By feature."""
    excluded: tuple[Window, ...]
    """Windows of a broken feed."""

    @property
    def features(self) -> tuple[str, ...]:
        """All that were ever counted, by name."""
        return tuple(_names(self.by_label))

    def like(self, label: str) -> tuple[Window, ...]:
        """The windows of a label."""
        return self.by_label.get(label, ())

    def histograms(self, label: str, feature: str) -> list[Histogram]:
        """A feature's counts in the windows of a label."""
        return [each.features[feature] for each in self.like(label) if feature in each.features]


def baseline_of(windows: Iterable[Window], settings: QualitySettings) -> Baseline:
    """The baseline from windows of a time that was good. Each is held against the others of its label first.

    Raises:
        CountsError: a feature was not counted over the same bins in all of them.

    """
    alike: defaultdict[str, list[Window]] = defaultdict(list)
    for window in sorted(windows, key=lambda each: each.start):
        alike[window.label].append(window)
    broken = [each for found in alike.values() for each in found if _is_broken(each, found, settings)]
    kept = {label: tuple(each for each in found if each not in broken) for label, found in sorted(alike.items())}
    counted = {name: _by_label(kept, name) for name in _names(kept)}
    return Baseline(
        by_label=kept,
        levels=_levels(counted),
        wavering={name: wavering_of(found) for name, found in counted.items()},
        excluded=tuple(broken),
    )


def _is_broken(window: Window, alike: Sequence[Window], settings: QualitySettings) -> bool:
    others = [each for each in alike if each is not window]
    return not window.rows or bool(others and faults(window, others, settings))


def _names(by_label: Mapping[str, Sequence[Window]]) -> list[str]:
    return sorted({name for found in by_label.values() for each in found for name in each.features})


def _by_label(by_label: Mapping[str, Sequence[Window]], name: str) -> dict[str, list[Histogram]]:
    return {
        label: [each.features[name] for each in found if name in each.features] for label, found in by_label.items()
    }


def _levels(counted: Mapping[str, Mapping[str, Sequence[Histogram]]]) -> dict[str, Level]:
    levels = {}
    for name, by_label in counted.items():
        if all(each.ordered for found in by_label.values() for each in found) and (level := level_of(by_label)):
            levels[name] = level
    return levels
