"""What joining requests to batches is worth: the front and Triton at 64 connections, with and without.

Two models: one whose batch of 16 rows costs less than twice one row, where it must pay; and the suite's own of 60
microseconds, where it must cost nothing.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from tests.bench.front.load import apply_load
from tests.bench.serving.contestants import BATCH_ROWS, Arena, request_of, serving

CONNECTIONS: Final = 64
BATCH: Final = 16
_CALLS: Final = 30


def batch_over_row(model: Path) -> float:
    """How many times one row a batch of 16 costs, in process."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()

    def seconds(rows: int) -> float:
        inputs = {entry.name: np.ones((rows, entry.shape[1]), dtype=np.float32)}
        return _median_seconds(lambda: session.run(None, inputs))

    seconds(BATCH)  # warm
    return seconds(BATCH) / seconds(1)


def batched_over_unbatched(arena: Arena, rounds: int, seconds: float) -> float:
    """Requests a second of the front and Triton with batches over those without, by turns."""
    rates: dict[int, list[float]] = {BATCH_ROWS: [], 1: []}
    for _ in range(rounds):
        for rows, seen in rates.items():
            with serving("front_triton", arena, batch_rows=rows) as served:
                for duration in (seconds / 4, seconds):
                    load = apply_load(
                        served.port,
                        duration,
                        arena.folder,
                        connections=CONNECTIONS,
                        request=request_of("front_triton"),
                    )
            seen.append(load.requests_per_second)
    return statistics.median(rates[BATCH_ROWS]) / statistics.median(rates[1])


def _median_seconds(call: Callable[[], object]) -> float:
    elapsed = []
    for _ in range(_CALLS):
        begin = time.perf_counter()
        call()
        elapsed.append(time.perf_counter() - begin)
    return statistics.median(elapsed)
