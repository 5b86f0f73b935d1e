"""Where a prediction runs: in the event loop when it is short, else in a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from bentos.front.admission import DEFAULT_WAIT_SECONDS
from bentos.front.predictor import (
    IN_LOOP_SECONDS,
    DeadlineError,
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


SLOW_SECONDS = 0.1
IN_TIME = 1 + round(DEFAULT_WAIT_SECONDS / SLOW_SECONDS)
"""One is being answered, and the last of the others waits for no longer than it may."""


def slow(predictor: Predictor, model: Slow) -> None:
    """Let a predictor have a model that was measured to be slow."""
    predictor._runtime = model
    predictor._rows_in_loop = 0
    predictor._admission.begin(SLOW_SECONDS)


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
    """The loop stays free, as many calls wait as are answered in time, the next is refused, the others are answered."""
    model = Slow()
    slow(predictor, model)
    calls = [asyncio.create_task(predictor.predict(predictor.example)) for _ in range(IN_TIME)]
    await asyncio.sleep(0)
    assert predictor.full
    with pytest.raises(OverloadedError):
        await predictor.predict(predictor.example)
    model.go.set()
    answers = await asyncio.gather(*calls)
    assert all(answer[0].tolist() == [1.0] for answer in answers)
    assert threading.get_ident() not in model.threads
    assert not predictor.full
    await predictor.predict(predictor.example)


async def test_a_call_whose_deadline_comes_before_its_turn_is_refused_at_once(predictor: Predictor) -> None:
    """It would wait in vain; one with enough time is taken."""
    model = Slow()
    slow(predictor, model)
    first = asyncio.create_task(predictor.predict(predictor.example))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await predictor.predict(predictor.example, perf_counter_ns() + round(SLOW_SECONDS * 0.5e9))
    second = asyncio.create_task(predictor.predict(predictor.example, perf_counter_ns() + 10**10))
    await asyncio.sleep(0)
    model.go.set()
    assert len(await asyncio.gather(first, second)) == 2


async def test_a_call_whose_deadline_is_over_is_not_begun(predictor: Predictor) -> None:
    """The model is not asked for what nobody waits for any more."""
    model = Slow()
    model.go.set()
    slow(predictor, model)
    with pytest.raises(DeadlineError):
        await predictor.predict(predictor.example, perf_counter_ns() - 1)
    assert model.threads == set()


async def test_the_bound_follows_the_models_pace(predictor: Predictor) -> None:
    """A model that becomes slower is waited for by fewer."""
    slow(predictor, Slow())
    predictor._admission.observe(10, round(20 * SLOW_SECONDS * 1e9))
    predictor._waiting = IN_TIME - 1
    assert predictor.full


@pytest.mark.parametrize(("step", "steady"), [(0.0, True), (1e-9, True), (0.001, False)])
def test_a_model_that_answers_differently_each_time_is_noticed(predictor: Predictor, step: float, steady: bool) -> None:
    """The last bits of a sum may differ from call to call; more may not, or its answers cannot be cached."""
    calls = iter(range(10**6))
    predictor._runtime.predict = lambda rows: [np.full(len(rows), 1 + step * next(calls))]  # type: ignore[method-assign]
    predictor.warm_up()
    assert predictor.steady is steady
