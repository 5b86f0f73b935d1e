"""CPU time that counting takes of a request with 60 features: what the event loop does, and the reporter's thread.

Process time over many single rows, without a server around: 50 numbers of 20 bins, 10 categories of 60, a score of 100
bins. The thread counts 512 rows at once, as it does under load; a push is made of each slice's counters once.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from bentos.front.drift.binning import Bins, Rows
from bentos.front.drift.gathering import Gathering
from bentos.front.drift.pushing import BATCH_ROWS, Pushing
from bentos.front.reporting.statistics import Kind, Statistics
from marquee.contract.drift import ProfileReport
from marquee.contract.manifest import CategoryField, InputField, NumberField
from models.profile import profile_of
from tests.unit.front.drift.profiles import manifest, schema

NUMBERS: Final = 50
CATEGORIES: Final = 10
SIZE: Final = 60
"""Of a category's list."""
REQUESTS: Final = 20_000


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU time a request, and the push."""

    hot_path_us_60_features: float
    """Both together."""
    event_loop_us: float
    push_milliseconds: float
    push_bytes: int
    rows_counted: int


def measure(requests: int = REQUESTS) -> Cost:
    """Gather, count and push so many requests, twice over: once for the event loop's part, once for all of it."""
    alone = _run(requests, counts=False)
    whole = _run(requests, counts=True)
    return Cost(
        hot_path_us_60_features=round(whole.seconds / requests * 1e6, 2),
        event_loop_us=round(alone.seconds / requests * 1e6, 2),
        push_milliseconds=round(whole.push_seconds * 1e3, 2),
        push_bytes=whole.push_bytes,
        rows_counted=whole.rows,
    )


@dataclass(frozen=True)
class _Run:
    seconds: float
    push_seconds: float
    push_bytes: int
    rows: int


def _run(requests: int, *, counts: bool) -> _Run:
    gathering, pushing, rows = _made(requests)
    started = time.process_time()
    for number, row in enumerate(rows, start=1):
        gathering.accept(row)
        gathering.trace(gathering.answer([[0.1]]))
        if number % BATCH_ROWS == 0:
            for sheaf in gathering.take():
                if counts:
                    pushing.add(sheaf)
    seconds = time.process_time() - started
    for sheaf in gathering.take():
        pushing.add(sheaf)
    pushing.hurries = True
    started = time.process_time()
    batches = [batch for batch in pushing.due() if batch.kind is Kind.DRIFT]
    return _Run(
        seconds,
        time.process_time() - started,
        max((len(batch.body) for batch in batches), default=0),
        sum(batch.records for batch in batches),
    )


def _made(requests: int) -> tuple[Gathering, Pushing, list[Rows]]:
    draw = np.random.default_rng(0)
    numbers: tuple[InputField, ...] = tuple(NumberField(name=f"f{index}") for index in range(NUMBERS))
    texts = tuple(f"v{index}" for index in range(SIZE))
    categories = tuple(CategoryField(name=f"c{index}", categories=texts, other=0) for index in range(CATEGORIES))
    reference, values = (
        np.column_stack([draw.normal(size=(rows, NUMBERS)), draw.integers(0, SIZE, size=(rows, CATEGORIES))]).astype(
            np.float64
        )
        for rows in (REQUESTS, requests)
    )
    fields = (*numbers, *categories)
    made = manifest(fields, profile_of(fields, reference, draw.beta(2, 20, REQUESTS)), ("p",))
    bins = Bins(made)
    report = ProfileReport(model="bench/model", revision="model-v1", output="p", profile=made.profile)
    pushing = Pushing(bins, model="bench/model", revision="model-v1", report=report)
    gathering = Gathering(bins, schema(made), Statistics(), lambda: None)
    return gathering, pushing, [values[index : index + 1].copy() for index in range(requests)]


if __name__ == "__main__":
    print(json.dumps(asdict(measure())))
