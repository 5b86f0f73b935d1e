"""A predictor's counting, from rows to a verdict: what a million rows cost, and what must not change a verdict."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bentos.front.drift.binning import Bins
from bentos.front.drift.pushing import BATCH_ROWS
from marquee.contract.drift import SPECIALS, add_up, pack
from marquee.contract.manifest import NumberField
from marquee.evidence.drift.baselines import baseline_of
from marquee.evidence.drift.counting import Histogram, Window
from marquee.evidence.drift.verdict import Assessment, replay
from tests.bench.drift.feeds import (
    BASELINE,
    LABELS,
    NAMES,
    OUTPUT,
    PROFILE,
    ROWS,
    SETTINGS,
    Numbers,
    means_of,
    rows_of,
    windows,
)
from tests.unit.front.drift.profiles import manifest

MILLION: Final = 1_000_000
DAYS: Final = 14
"""After the baseline."""
DAY_ROWS: Final = ROWS
SHIFT: Final = 0.1
SHIFTED: Final = 6
CORRUPTIONS: Final = (1e6, float("nan"), float("inf"), -float("inf"), None)
REPLICAS: Final = (1, 2, 3, 10, 37, 100)
_NO_SCORES: Final = np.empty(0)
_WRONG: Final = SPECIALS.index("wrong")

Counters = NDArray[np.int64]


def bins() -> Bins:
    """Of 60 numbers over the feeds' edges."""
    fields = tuple(NumberField(name=name) for name in NAMES)
    return Bins(manifest(fields, PROFILE, (OUTPUT,)))


def counted(found: Bins, rows: Numbers) -> Counters:
    """Counters of rows, in the batches of a predictor."""
    counters = np.zeros(found.layout.size, dtype=np.int64)
    for start in range(0, len(rows), BATCH_ROWS):
        found.count(rows[start : start + BATCH_ROWS], _NO_SCORES, counters)
    return counters


def window(found: Bins, day: int, counters: Sequence[int]) -> Window:
    """What the ledger's integers say of a day."""
    features = {}
    for block in found.layout.blocks:
        split = block.start + block.bins
        missing, wrong, unseen = counters[split : block.end]
        features[block.name] = Histogram(tuple(counters[block.start : split]), missing, wrong, unseen)
    return Window(day, LABELS[day % 7], features, counters[0])


@dataclass(frozen=True)
class Cost:
    """CPU seconds of so many rows."""

    counting: float
    verdict: float
    """That of what is usual included."""
    compared: int
    """Features. None would be on a day of another size: that is a broken feed, of which there is little to compute."""


def cost(rows: int = MILLION) -> Cost:
    """Count a day's rows of 60 numbers, and hold them against four weeks of such days. Drawing them is not measured."""
    random, found = np.random.default_rng(3), bins()
    days = range(BASELINE)
    usual = list(windows(random, days, means_of(random, days), rows))
    drawn = rows_of(random, means_of(random, range(7, 8)), rows)
    started = time.process_time()
    counters = counted(found, drawn)
    between = time.process_time()
    (told,) = replay([window(found, BASELINE, counters.tolist())], baseline_of(usual, SETTINGS.quality), SETTINGS)
    return Cost(between - started, time.process_time() - between, len(told.comparisons))


def verdicts(found: Bins, counters: Iterable[Sequence[int]]) -> list[Assessment]:
    """Of the days after the baseline, from the counters of all days."""
    days = [window(found, day, each) for day, each in enumerate(counters)]
    return replay(days[BASELINE:], baseline_of(days[:BASELINE], SETTINGS.quality), SETTINGS)


def days_of_rows(seed: int, shift: float) -> Iterator[Numbers]:
    """Rows of each day; after the baseline some features are shifted."""
    random = np.random.default_rng([4, seed])
    means = means_of(random, range(BASELINE + DAYS))
    means[BASELINE:, :SHIFTED] += shift
    for of_day in means:
        yield rows_of(random, of_day, DAY_ROWS)


def changed_by_corruption() -> int:
    """Verdicts that become another when one value a column and window is 1e6, NaN, infinite or of another type."""
    found, changed = bins(), 0
    for seed, shift in enumerate((0.0, SHIFT)):
        days = list(days_of_rows(seed, shift))
        clean = [each.tier for each in verdicts(found, (counted(found, rows).tolist() for rows in days))]
        for corrupt in CORRUPTIONS:
            corrupted = verdicts(found, (_corrupted(found, rows, corrupt) for rows in days))
            changed += sum(before is not after.tier for before, after in zip(clean, corrupted, strict=True))
    return changed


def _corrupted(found: Bins, rows: Numbers, corrupt: float | None) -> list[int]:
    """One value of each column of a day, each in a row of its own; None: of another type, which validation refuses."""
    odd = rows.copy()
    places = np.arange(len(NAMES)) % len(rows), np.arange(len(NAMES))
    if corrupt is not None:
        odd[places] = corrupt
        return [int(count) for count in counted(found, odd)]
    counters = counted(found, odd[len(NAMES) :])
    counters[0] += len(NAMES)
    for block in found.layout.blocks:
        counters[block.start + block.bins + _WRONG] += 1
    return [int(count) for count in counters]


def differing_by_replicas() -> int:
    """Assessments, to the last bit, that differ when the rows of a day come to so many pods, in another order."""
    found, days = bins(), list(days_of_rows(2, SHIFT))
    random = np.random.default_rng(5)
    alone = verdicts(found, (counted(found, rows).tolist() for rows in days))
    differing = 0
    for replicas in REPLICAS:
        parted = (_by_replicas(found, random.permutation(rows), replicas, random) for rows in days)
        together = verdicts(found, parted)
        differing += sum(one != other for one, other in zip(alone, together, strict=True))
    return differing


def _by_replicas(found: Bins, rows: Numbers, replicas: int, random: np.random.Generator) -> Sequence[int]:
    """As the ledger adds up what pods push, in any order."""
    packed = [pack(counted(found, part).tolist()) for part in np.array_split(rows, replicas)]
    return [
        int(count) for count in add_up([packed[place] for place in random.permutation(replicas)], found.layout.size)
    ]
