"""The verdict on a window, as data: the first row that holds.

A function of integers: the baseline's windows and those since, in order. `follow` takes one window at a time and a
small state; `replay` computes it again from the beginning, so that anybody can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from marquee.evidence.drift.accumulating import Detector, log_sum_of
from marquee.evidence.drift.baselines import Baseline
from marquee.evidence.drift.comparing import Comparison, compare
from marquee.evidence.drift.counting import Window
from marquee.evidence.drift.multiplicity import discoveries
from marquee.evidence.drift.quality import Finding, faults
from marquee.evidence.drift.settings import DriftSettings
from marquee.evidence.drift.shifting import Level
from marquee.evidence.errors import CountsError


class Tier(StrEnum):
    """What a window asks for."""

    BROKEN_FEED = "BrokenFeed"
    """Repair the feed; no retraining meanwhile."""
    INSUFFICIENT_DATA = "InsufficientData"
    """Nothing can be said, which is not the same as no drift."""
    RETRAIN = "Retrain"
    INVESTIGATE = "Investigate"
    """A person may look; nothing follows."""
    STABLE = "Stable"


@dataclass(frozen=True, slots=True)
class State:
    """What the windows before leave to the next one."""

    last: int | None = None
    """Start of the newest window."""
    streaks: Mapping[str, int] = field(default_factory=dict)
    """By feature, windows in a row in which it was severe."""
    levels: Mapping[str, Level] = field(default_factory=dict)
    """By feature of numbers, what is usual by now; empty: the baseline's."""
    detectors: Mapping[str, Detector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one window shows."""

    tier: Tier
    window: int
    faults: tuple[Finding, ...]
    comparisons: Mapping[str, Comparison]
    """By feature; empty where the feed is broken or nothing is usual."""
    suspects: tuple[str, ...]
    """Features that the tier is about, the largest effect first."""
    log_sum: float
    """ln of what has accumulated, of `DriftSettings.windows_to_false_alarm`."""


@dataclass(frozen=True, slots=True)
class _Facts:
    broken: bool
    unknown: bool
    confirmed: bool
    accumulated: bool
    discovered: bool
    unjudged: bool


TABLE: Final[tuple[tuple[Tier, str, Callable[[_Facts], bool]], ...]] = (
    (Tier.BROKEN_FEED, "the feed is broken", lambda facts: facts.broken),
    (Tier.INSUFFICIENT_DATA, "the baseline has too few windows of this label", lambda facts: facts.unknown),
    (Tier.RETRAIN, "a feature was severe in enough windows in a row", lambda facts: facts.confirmed),
    (Tier.RETRAIN, "shifts have accumulated", lambda facts: facts.accumulated),
    (Tier.INVESTIGATE, "a feature differs, and by enough to matter", lambda facts: facts.discovered),
    (Tier.INSUFFICIENT_DATA, "no feature has enough rows for the effect floor", lambda facts: facts.unjudged),
    (Tier.STABLE, "otherwise", lambda _: True),
)
"""Tier, when it holds in words, when it holds."""


def follow(window: Window, baseline: Baseline, state: State, settings: DriftSettings) -> tuple[Assessment, State]:
    """Assess the next window.

    A window of a broken feed, or one that nothing is known to be like, neither confirms nor takes back what the windows
    before have shown.

    Raises:
        CountsError: the window is not later than the one before, or was counted over other bins than the baseline.

    """
    if state.last is not None and window.start <= state.last:
        raise CountsError("window.start", f"{window.start} is not after {state.last}", "give windows in their order")
    alike = baseline.like(window.label)
    found = faults(window, alike, settings.quality) if alike else ()
    if found or len(alike) < settings.minimum_baseline:
        facts = _Facts(bool(found), not found, confirmed=False, accumulated=False, discovered=False, unjudged=True)
        kept = replace(state, last=window.start)
        return _assessment(window, facts, found, {}, frozenset(), kept), kept
    comparisons = {
        name: compare(window.features[name], baseline.histograms(window.label, name), baseline.wavering[name])
        for name in baseline.features
        if name in window.features
    }
    return _judge(window, baseline, comparisons, state, settings)


def replay(windows: Iterable[Window], baseline: Baseline, settings: DriftSettings) -> list[Assessment]:
    """The assessments of all windows since the baseline, from the beginning. Raises as `follow` does."""
    state, told = State(), []
    for window in windows:
        assessment, state = follow(window, baseline, state, settings)
        told.append(assessment)
    return told


def _judge(
    window: Window,
    baseline: Baseline,
    comparisons: Mapping[str, Comparison],
    state: State,
    settings: DriftSettings,
) -> tuple[Assessment, State]:
    floor = settings.effect_floor
    p_values = {name: each.p_value for name, each in comparisons.items()}
    matters = {name for name, each in comparisons.items() if each.stability_index >= floor}
    discovered = matters & discoveries(p_values, settings.discovery_rate)
    limit = settings.retrain_alpha / max(len(comparisons), 1)
    streaks = {name: state.streaks.get(name, 0) + 1 for name in sorted(matters) if p_values[name] <= limit}
    after = State(window.start, streaks, *_learnt(window, baseline, state, settings))
    confirmed = {name for name, length in streaks.items() if length >= settings.confirmations}
    accumulated = log_sum_of(tuple(after.detectors.values())) >= math.log(settings.windows_to_false_alarm)
    shifted = _shifted(after) if accumulated else set[str]()
    facts = _Facts(
        broken=False,
        unknown=False,
        confirmed=bool(confirmed),
        accumulated=accumulated,
        discovered=bool(discovered),
        unjudged=all(each.noise > floor for each in comparisons.values()),
    )
    suspects = confirmed | shifted or discovered
    return _assessment(window, facts, (), comparisons, frozenset(suspects), after), after


def _assessment(
    window: Window,
    facts: _Facts,
    found: tuple[Finding, ...],
    comparisons: Mapping[str, Comparison],
    suspects: frozenset[str],
    state: State,
) -> Assessment:
    def effect(name: str) -> tuple[float, str]:
        return -comparisons[name].stability_index, name

    return Assessment(
        tier=next(tier for tier, _, holds in TABLE if holds(facts)),
        window=window.start,
        faults=found,
        comparisons=comparisons,
        suspects=tuple(sorted(suspects, key=effect)),
        log_sum=log_sum_of(tuple(state.detectors.values())),
    )


def _learnt(
    window: Window, baseline: Baseline, state: State, settings: DriftSettings
) -> tuple[dict[str, Level], dict[str, Detector]]:
    """What is usual after the window, and what has accumulated with it."""
    levels, detectors = {}, {}
    for name, usual in baseline.levels.items():
        level = state.levels.get(name, usual)
        counted = window.features.get(name)
        shift = level.shift_of(counted, window.label) if counted is not None else None
        levels[name] = level.after(window.label, shift)
        detectors[name] = (state.detectors.get(name) or Detector.new(settings.shifts)).after(shift)
    return levels, detectors


def _shifted(state: State) -> set[str]:
    """The features without which nothing would have accumulated: each as far as the one that has most, to a tenth."""
    sums = {name: detector.log_sum for name, detector in state.detectors.items()}
    most = max(sums.values(), default=-math.inf)
    return {name for name, log_sum in sums.items() if log_sum >= most - math.log(10)}
