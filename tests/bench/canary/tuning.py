"""The best threshold rule: windows and strikes are tried, each with the limit that errs in 5 percent on flat traffic.

That is how a careful operator would tune one: on equal versions, with the traffic, base rate and ramp of the rollout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np

from tests.bench.canary.grid import ALPHA, LOSSES, NULL, Group
from tests.bench.canary.rules import Streak, Threshold, Window
from tests.bench.canary.simulating import simulate
from tests.bench.canary.times import Times
from tests.bench.canary.weighing import Floats

WINDOWS_MINUTES: Final = (5, 10, 20, 40, 80, 120)
STRIKES: Final = (1, 3)
TUNING_SEED: Final = 1


@dataclass(frozen=True)
class Tuned:
    """One rule and how fast it is; ``medians``: minutes to rollback by loss, infinite where most runs never get there.

    ``mean_minutes`` is over losses and runs; a run that is never rolled back counts as the horizon.
    """

    rule: Threshold
    medians: Mapping[str, float]
    mean_minutes: float


def tune(per_minute: int, *, runs: int, minutes: int) -> tuple[Tuned, ...]:
    """Every rule at this traffic, the one with the fewest mean minutes first."""
    rules = [Threshold(*axes) for axes in product(WINDOWS_MINUTES, STRIKES)]
    lowest = [np.full(runs, np.inf) for _ in rules]
    for _, statistics in _watch(per_minute, rules, runs, minutes, TUNING_SEED):
        for low, statistic in zip(lowest, statistics, strict=True):
            if statistic is not None:
                np.minimum(low, statistic[NULL], out=low)
    tuned = [replace(rule, below=_limit(low)) for rule, low in zip(rules, lowest, strict=True)]
    times = [Times(len(LOSSES), runs) for _ in tuned]
    losses = list(LOSSES.values())
    for minute, statistics in _watch(per_minute, tuned, runs, minutes, TUNING_SEED + 1):
        for rule, found, statistic in zip(tuned, times, statistics, strict=True):
            if statistic is not None:
                found.note(statistic[losses] < rule.below, minute)
    judged = (_judge(rule, found, minutes) for rule, found in zip(tuned, times, strict=True))
    return tuple(sorted(judged, key=lambda each: each.mean_minutes))


def _watch(
    per_minute: int, rules: Sequence[Threshold], runs: int, minutes: int, seed: int
) -> Iterator[tuple[int, list[Floats | None]]]:
    """The statistic of each rule after each minute."""
    windows = {length: Window(length) for length in WINDOWS_MINUTES}
    streaks = [Streak(rule.strikes) for rule in rules]
    group = Group("flat", per_minute, 0, 1.0)
    for number, (_, minute) in enumerate(simulate(group, runs, minutes, group.generator(seed)), start=1):
        ratios = {length: window.see(minute) for length, window in windows.items()}
        yield number, [streak.see(ratios[rule.window_minutes]) for rule, streak in zip(rules, streaks, strict=True)]


def _limit(lowest: Floats) -> float:
    """Below it lie 5 percent of the runs' lowest statistics."""
    return float(np.quantile(lowest, ALPHA, method="lower"))


def _judge(rule: Threshold, times: Times, horizon: int) -> Tuned:
    medians = dict(zip(LOSSES, times.medians(), strict=True))
    return Tuned(rule, medians, float(np.minimum(times.first, horizon).mean()))
