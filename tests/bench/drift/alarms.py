"""False retrainings in simulated years, and how soon a real shift asks for one: by the verdicts of `marquee.judging`.

Each day's verdict is what operator and plugin make of the ledger's answer on that day: the baseline's windows and the
last `historyWindows`, from the beginning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import chi2

from marquee.cli.drift_evidence import evidence_of
from marquee.contract.drift import DriftReply, DriftWindow
from marquee.evidence.drift.replay_offline import verdicts
from marquee.judging.drifting import DriftState, DriftVerdict, judge_drift
from tests.bench.drift.feeds import (
    BASELINE,
    DRIFT,
    FEATURES,
    MONDAY,
    OUTPUT,
    PROFILE,
    ROWS,
    Counts,
    counters_of,
    drawn,
    means_of,
)
from tests.bench.drift.screening import screen

DAYS_A_YEAR: Final = 365
SHIFTED: Final = 6
"""Of the features."""
QUIET_DAYS: Final = 28
"""After the baseline, until the shift."""
PATIENCE_DAYS: Final = 30


@dataclass(frozen=True)
class Year:
    """A simulated year without drift: so many days with a verdict."""

    retrains: int
    sampled: Sample


@dataclass(frozen=True)
class Sample:
    """What the product says of one day of a year, and of the weeks before it: `historyWindows` days in all."""

    investigated: float
    """Share of the days whose verdict is `Investigate`."""
    differing: float
    """By how much what has accumulated differs between the screen and the product."""


def quiet_year(seed: int, rows: int = ROWS) -> Year:
    """A baseline of four weeks, then a year of days; a retraining is a new revision, with a baseline of its own."""
    random = np.random.default_rng([1, seed, rows])
    counts = _quiet(random, DAYS_A_YEAR, rows)
    sampled = _sample(counts, int(random.integers(DRIFT.history_windows, DAYS_A_YEAR)))
    retrains = 0
    while (alarm := first_retraining(counts)) is not None:
        retrains += 1
        left = len(counts) - BASELINE - alarm - 1
        if not left:
            break
        counts = _quiet(random, left, rows)
    return Year(retrains, sampled)


def windows_to_detect(seed: int, shift: float) -> int:
    """Windows with a shift of so many standard deviations in `SHIFTED` features, until one says Retrain."""
    random = np.random.default_rng([2, seed])
    days = range(BASELINE + QUIET_DAYS + PATIENCE_DAYS)
    means = means_of(random, days)
    means[BASELINE + QUIET_DAYS :, random.permutation(FEATURES)[:SHIFTED]] += shift
    found = first_retraining(drawn(random, means), since=QUIET_DAYS)
    return PATIENCE_DAYS + 1 if found is None else found - QUIET_DAYS + 1


def first_retraining(counts: Counts, since: int = 0) -> int | None:
    """The first day after the baseline, from one on, whose verdict is `Retrain`."""
    near = np.flatnonzero(screen(counts).near)
    found = (int(day) for day in near if day >= since and judged(counts, int(day)).state is DriftState.RETRAIN)
    return next(found, None)


def judged(counts: Counts, day: int) -> DriftVerdict:
    """The verdict on a day after the baseline."""
    until = BASELINE + day + 1
    told = [
        DriftWindow(index=MONDAY + place, counters=counters_of(counts[place]))
        for place in {*range(BASELINE), *range(max(BASELINE, until - DRIFT.history_windows), until)}
    ]
    reply = DriftReply(
        model="bench/model",
        revision="model-v1",
        seconds=DRIFT.window_seconds,
        output=OUTPUT,
        profile=PROFILE,
        first=MONDAY,
        until=MONDAY + until,
        baseline=tuple(told[:BASELINE]),
        windows=tuple(told[BASELINE:]),
    )
    return judge_drift(reply, DRIFT)


def told_otherwise(seed: int, shift: float) -> tuple[int, int]:
    """Windows with a verdict, of which half have a shift, and those of which the offline script says another one."""
    random = np.random.default_rng([5, seed])
    means = means_of(random, range(BASELINE + DRIFT.history_windows))
    means[BASELINE + DRIFT.history_windows // 2 :, :SHIFTED] += shift
    verdict = judged(drawn(random, means), DRIFT.history_windows - 1)
    again = verdicts(json.loads(evidence_of("bench/model", "model-v1", verdict, DRIFT)))
    product = [each.tier.value for each in verdict.assessments]
    return len(product), sum(one != other for one, other in zip(product, again, strict=True))


def upper95(events: int, years: int) -> float:
    """The rate a year that so many events in so many years do not exceed, at 95 % (Garwood, for a Poisson)."""
    return float(chi2.ppf(0.95, 2 * (events + 1)) / 2 / years)


def _quiet(random: np.random.Generator, days: int, rows: int) -> Counts:
    return drawn(random, means_of(random, range(BASELINE + days)), rows)


def _sample(counts: Counts, day: int) -> Sample:
    told = judged(counts, day).assessments
    investigated = sum(each.tier.value == DriftState.INVESTIGATE for each in told)
    return Sample(investigated / len(told), abs(told[-1].log_sum - float(screen(counts).log_sums[day])))
