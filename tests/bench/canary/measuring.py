"""One group of cells from the first minute to the horizon: who was rolled back, promoted or alarmed, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from marquee.evidence.counts import Arm, Cohort
from marquee.evidence.mixture import Direction, harm, noninferiority
from tests.bench.canary.grid import ALPHA, MARGIN, RATIOS, WEIGHTS, Group
from tests.bench.canary.rules import WINDOW_MINUTES, Streak, Threshold, Window, argo, flagger
from tests.bench.canary.simulating import Ledger, Minute, simulate
from tests.bench.canary.times import Times
from tests.bench.canary.weighing import SPLIT_ALPHA, Floats, Truths, Weigher, log_e_of_splits

HARM: Final = Weigher(harm(Direction.HIGHER_IS_BETTER), ALPHA)
SAFE: Final = Weigher(noninferiority(Direction.HIGHER_IS_BETTER, MARGIN), ALPHA)
RANDOM_LOOKS: Final = 1 / 7
"""Chance of a look in a minute where looks come at random times."""
SAMPLED_RUNS: Final = 2


@dataclass(frozen=True)
class Sample:
    """One run's ledger at the end, with ln E of harm, non-inferiority and the split as computed for arrays."""

    cohorts: tuple[Cohort, ...]
    harm: float
    safe: float
    split: float


@dataclass(frozen=True)
class Order:
    """Runs with a verdict, and those of them whose split was found wrong no later; the same for promotions alone."""

    verdicts: int
    verdicts_after_alarm: int
    promotions: int
    promotions_after_alarm: int


@dataclass(frozen=True)
class Result:
    """Fractions of runs and median minutes; one entry a ratio where it is a tuple."""

    group: Group
    rolled_back: tuple[float, ...]
    rolled_back_random: tuple[float, ...]
    promoted: tuple[float, ...]
    median_minutes: tuple[float, ...]
    canary_exposures: tuple[float, ...]
    """Mean, until rollback or horizon."""
    alarmed: float
    alarms_first: tuple[Order, ...]
    threshold: tuple[float, ...]
    argo: tuple[float, ...]
    flagger: tuple[float, ...]
    samples: tuple[Sample, ...]


class Judged:
    """One group's first times, as the minutes go by."""

    def __init__(self, runs: int) -> None:
        shape = (len(RATIOS), runs)
        self.rollback, self.at_random, self.promotion, self.alarm = (
            Times(*shape),
            Times(*shape),
            Times(*shape),
            Times(runs),
        )
        self.exposed = np.zeros(shape, np.int64)

    def see(self, minute: int, ledger: Ledger, arrived: Minute, looked: Truths) -> None:
        """Take one more minute, at whose end ``looked`` tells where somebody looks who looks at random times."""
        self.exposed += arrived.canary_exposures * self.rollback.open
        harmful = HARM.reached(ledger, self.rollback.open | (looked & self.at_random.open))
        self.rollback.note(harmful, minute)
        self.at_random.note(harmful & looked, minute)
        self.promotion.note(SAFE.reached(ledger, self.promotion.open), minute)
        if self.alarm.open.any():
            self.alarm.note(log_e_of_splits(ledger) >= -math.log(SPLIT_ALPHA), minute)

    def orders(self) -> tuple[Order, ...]:
        """One a ratio."""
        return tuple(map(self._order, range(len(RATIOS))))

    def _order(self, row: int) -> Order:
        rollback, promotion = self.rollback.first[row], self.promotion.first[row]
        return Order(*_first(self.alarm, np.minimum(rollback, promotion)), *_first(self.alarm, promotion))


def measure(group: Group, *, runs: int, minutes: int, seed: int, thresholds: Mapping[int, Threshold]) -> Result:
    """Simulate and judge one group. ``thresholds``: the tuned rule by requests a minute."""
    rule = thresholds[group.per_minute]
    generator = group.generator(seed)
    judged, ruled = Judged(runs), Times(len(RATIOS), runs)
    window, streak = Window(rule.window_minutes), Streak(rule.strikes)
    short, of_argo, of_flagger = Window(WINDOW_MINUTES), argo(runs), flagger(runs)
    ledger = Ledger.empty(runs)
    for minute, (ledger, arrived) in enumerate(simulate(group, runs, minutes, generator), start=1):
        judged.see(minute, ledger, arrived, generator.random((len(RATIOS), runs)) < RANDOM_LOOKS)
        statistic = streak.see(window.see(arrived))
        if statistic is not None:
            ruled.note(statistic < rule.below, minute)
        ratio = short.see(arrived)
        of_argo.see(minute, ratio)
        of_flagger.see(minute, ratio)
    return Result(
        group=group,
        rolled_back=judged.rollback.fractions(),
        rolled_back_random=judged.at_random.fractions(),
        promoted=judged.promotion.fractions(),
        median_minutes=judged.rollback.medians(),
        canary_exposures=tuple(judged.exposed.mean(axis=1).tolist()),
        alarmed=float((~judged.alarm.open).mean()),
        alarms_first=judged.orders(),
        threshold=ruled.fractions(),
        argo=tuple(of_argo.out.mean(axis=1).tolist()),
        flagger=tuple(of_flagger.out.mean(axis=1).tolist()),
        samples=_samples(ledger, generator),
    )


def _first(alarm: Times, verdict: Floats) -> tuple[int, int]:
    """How many runs came to the verdict, and how many of them had the alarm no later."""
    came = np.isfinite(verdict)
    return int(came.sum()), int((came & (alarm.first <= verdict)).sum())


def _samples(ledger: Ledger, generator: np.random.Generator) -> tuple[Sample, ...]:
    runs = ledger.canary.shape[2]
    rows, columns = generator.integers(len(RATIOS), size=SAMPLED_RUNS), generator.integers(runs, size=SAMPLED_RUNS)
    logs = zip(
        rows.tolist(),
        columns.tolist(),
        HARM.log_e(ledger, rows, columns).tolist(),
        SAFE.log_e(ledger, rows, columns).tolist(),
        log_e_of_splits(ledger)[columns].tolist(),
        strict=True,
    )
    return tuple(Sample(_cohorts(ledger, row, run), *values) for row, run, *values in logs)


def _cohorts(ledger: Ledger, row: int, run: int) -> tuple[Cohort, ...]:
    return tuple(
        Cohort(
            step,
            Arm(int(ledger.canary_exposures[step, 0, run]), int(ledger.canary[step, row, run])),
            Arm(int(ledger.stable_exposures[step, 0, run]), int(ledger.stable[step, 0, run])),
            weight,
        )
        for step, weight in enumerate(WEIGHTS[: ledger.step + 1])
    )
