"""Where a prediction runs: in the event loop when it is short, else in a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bentos.front.predictor import (
    IN_LOOP_SECONDS,
    MAX_WAITING,
    OverloadedError,
    Predictor,
    rows_in_loop,
)


class Slow:
    """A model that waits for permission, and remembers the threads it ran in."""

    largest = 1e38

    def __init__(self) -> None:
        self.go = threading.Event()
        self.threads: set[int] = set()

    def predict(self, rows: Any) -> Sequence[Any]:
        """Wait, then answer 1."""
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        return [np.ones(len(rows))]


@pytest.mark.parametrize(
    ("one_row", "many_rows", "expected"),
    [
        (IN_LOOP_SECONDS, IN_LOOP_SECONDS, 0),
        (IN_LOOP_SECONDS / 2, IN_LOOP_SECONDS / 2 + 63e-6, 1 + 500),
        (IN_LOOP_SECONDS / 2, IN_LOOP_SECONDS / 2 + 63 * IN_LOOP_SECONDS, 1),
    ],
)
def test_rows_in_loop_follow_the_measured_line(one_row: float, many_rows: float, expected: int) -> None:
    """As many rows run in the loop as fit into its budget by the two measurements."""
    assert rows_in_loop(one_row, many_rows) in (expected, expected - 1)


def test_a_batch_that_is_no_slower_than_a_row_stays_in_the_loop() -> None:
    """Noise may measure many rows faster than one; that is no reason to divide by nothing."""
    assert rows_in_loop(1e-5, 0.9e-5) > 1_000


async def test_short_calls_run_in_the_loops_thread(predictor: Predictor) -> None:
    """A fast model does not pay for a hop to another thread."""
    assert predictor._rows_in_loop >= 1
    seen: list[int] = []
    run = predictor._runtime.predict

    def watched(rows: Any) -> Any:
        seen.append(threading.get_ident())
        return run(rows)

    predictor._runtime.predict = watched  # type: ignore[method-assign]
    await predictor.predict(predictor.example)
    assert seen == [threading.get_ident()]


async def test_slow_calls_wait_in_a_bounded_queue(predictor: Predictor) -> None:
    """The loop stays free, as many calls wait as may, the next is refused, and all others are answered."""
    model = Slow()
    predictor._runtime = model
    predictor._rows_in_loop = 0
    calls = [asyncio.create_task(predictor.predict(predictor.example)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await predictor.predict(predictor.example)
    model.go.set()
    answers = await asyncio.gather(*calls)
    assert all(answer[0].tolist() == [1.0] for answer in answers)
    assert threading.get_ident() not in model.threads
    assert predictor._waiting == 0
    await predictor.predict(predictor.example)
