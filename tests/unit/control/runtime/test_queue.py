from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import structlog

from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.runtime.queue import QueueSettings, WorkQueue
from tests.unit.control.runtime.virtual_time import run_virtually


class BusyError(Exception):
    """A refusal that says when to come back."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


NO_JITTER = QueueSettings(
    backoff=Backoff(initial_seconds=1, factor=2, maximum_seconds=60, jitter=0), expected_errors=(ValueError, BusyError)
)


class Worker:
    """Processes keys as scripted and notes when each processing started."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.script: dict[str, list[float | BaseException | None]] = {}
        self.started: list[tuple[float, str]] = []
        self.finished: list[str] = []
        self.running: list[str] = []
        self.most_at_once = 0

    async def __call__(self, key: str) -> float | None:
        assert key not in self.running, "two workers hold one key"
        self.started.append((monotonic_seconds(), key))
        self.running.append(key)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            await asyncio.sleep(self.seconds)
            outcomes = self.script.get(key)
            outcome = outcomes.pop(0) if outcomes else None
            if isinstance(outcome, BaseException):
                raise outcome
            self.finished.append(key)
            return outcome
        finally:
            self.running.remove(key)

    def times(self, key: str) -> list[float]:
        return [round(at, 6) for at, started in self.started if started == key]


@asynccontextmanager
async def working(
    queue: WorkQueue[str], process: Callable[[str], Awaitable[float | None]], workers: int = 2
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(queue.run(process, workers=workers))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_burst_for_one_key_is_one_processing() -> None:
    """However often a key is added before its processing starts, it is processed once."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker()
        for _ in range(1000):
            queue.add("a")
        assert queue.depth == 1
        async with working(queue, worker):
            await asyncio.sleep(1)
        assert worker.times("a") == [0]
        assert queue.counters.processed == 1

    run_virtually(scenario())


def test_an_add_during_processing_runs_the_key_once_more() -> None:
    """An event that arrives while its key is processed is not lost, and several are one more run."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker(seconds=10)
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(5)
            queue.add("a")
            queue.add("a")
            await asyncio.sleep(30)
        assert worker.times("a") == [0, 10]

    run_virtually(scenario())


def test_keys_run_side_by_side_up_to_the_number_of_workers() -> None:
    """Different keys are processed at once, but never more than there are workers, in the order of arrival."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker(seconds=1)
        for key in "abcdefg":
            queue.add(key)
        async with working(queue, worker, workers=3):
            await asyncio.sleep(10)
        assert worker.most_at_once == 3
        assert [key for _, key in worker.started] == list("abcdefg")
        assert [at for at, _ in worker.started] == [0, 0, 0, 1, 1, 1, 2]

    run_virtually(scenario())


def test_the_returned_number_is_the_pause_until_the_next_look() -> None:
    """A processing that returns seconds sees its key again after so many, and zero means at once."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker()
        worker.script["a"] = [5.0, 0.0, None]
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(100)
        assert worker.times("a") == [0, 5, 5]
        assert queue.scheduled == 0

    run_virtually(scenario())


def test_the_earliest_of_several_wishes_wins() -> None:
    """A later wish does not push an earlier one back, and an event does not wait for a timer."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker()
        async with working(queue, worker):
            queue.add_after("a", 10)
            queue.add_after("a", 50)
            await asyncio.sleep(3)
            queue.add("a")
            await asyncio.sleep(100)
        assert worker.times("a") == [3, 10]

    run_virtually(scenario())


def test_failures_back_off_and_success_resets() -> None:
    """A failing key is retried after doubling waits; after a success the next failure starts over."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["a"] = [ValueError(), ValueError(), ValueError(), 100.0, ValueError(), None]
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(6)
            assert queue.failing == 1
            await asyncio.sleep(1000)
        assert worker.times("a") == [0, 1, 3, 7, 107, 108]
        assert queue.failing == 0
        assert (queue.counters.failed, queue.counters.retries, queue.counters.processed) == (4, 4, 2)

    run_virtually(scenario())


def test_one_failing_key_does_not_hold_up_the_others() -> None:
    """While one key waits for its retry, the workers are free for all others."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["bad"] = [ValueError()] * 20
        async with working(queue, worker, workers=1):
            queue.add("bad")
            queue.add("good")
            await asyncio.sleep(0.5)
            assert worker.times("good") == [0]

    run_virtually(scenario())


def test_news_shorten_the_wait_of_a_failing_key_but_cannot_make_it_spin() -> None:
    """A key in a long backoff runs within a second of news; a key that wakes itself up runs once a second at most."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["a"] = [ValueError()] * 100
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(20)  # runs at 0, 1, 3, 7, 15; the next would be at 31
            queue.add("a")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert worker.times("a") == [0, 1, 3, 7, 15, 20]
            for _ in range(100):  # ten seconds of news
                queue.add("a")
                await asyncio.sleep(0.1)
        assert len(worker.times("a")) <= 6 + 10

    run_virtually(scenario())


def test_an_error_may_ask_for_patience() -> None:
    """A wait that the error itself names is kept, news or not, up to the longest backoff."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["a"] = [BusyError(30.0), BusyError(None), BusyError(1e9)]
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(10)
            queue.add("a")
            await asyncio.sleep(200)
        assert worker.times("a") == [0, 30, 32, 92]

    run_virtually(scenario())


def test_a_cancelled_wait_inside_a_processing_is_a_failure_not_a_lost_worker() -> None:
    """When something that a processing awaits is cancelled, the key is retried and the worker lives on."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["a"] = [asyncio.CancelledError()]
        async with working(queue, worker, workers=1):
            queue.add("a")
            await asyncio.sleep(10)
        assert worker.times("a") == [0, 1]

    run_virtually(scenario())


def test_what_is_in_flight_finishes_when_the_queue_is_stopped() -> None:
    """Cancelling the queue lets running work end, starts nothing new and keeps what waits."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker(seconds=5)
        async with working(queue, worker, workers=2) as task:
            for key in "abc":
                queue.add(key)
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert monotonic_seconds() == 5
        assert worker.finished == ["a", "b"]
        assert [key for _, key in worker.started] == ["a", "b"]
        assert queue.depth == 1

    run_virtually(scenario())


def test_work_that_does_not_end_is_cut_after_the_grace_time() -> None:
    """Stopping takes no longer than the drain time; the key that was cut is still owed."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=QueueSettings(drain_seconds=3))
        worker = Worker(seconds=1000)
        async with working(queue, worker) as task:
            queue.add("a")
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert monotonic_seconds() == 4
        assert worker.finished == []
        assert (queue.in_flight, queue.depth) == (0, 1)

    run_virtually(scenario())


def test_a_stopped_queue_can_run_again() -> None:
    """What was added or left over while the queue stood still is processed when it runs again."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        worker = Worker()
        async with working(queue, worker):
            await asyncio.sleep(1)
        queue.add("late")
        async with working(queue, worker):
            await asyncio.sleep(1)
        assert worker.finished == ["late"]

    run_virtually(scenario())


def test_a_forgotten_key_is_not_retried() -> None:
    """Forgetting a key drops its timer and its failures."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script["a"] = [ValueError()]
        async with working(queue, worker):
            queue.add("a")
            await asyncio.sleep(0.5)
            queue.forget("a")
            await asyncio.sleep(100)
        assert worker.times("a") == [0]
        assert (queue.failing, queue.scheduled) == (0, 0)

    run_virtually(scenario())


def test_only_an_unexpected_error_is_logged_with_its_traceback() -> None:
    """A bug leaves its traceback in the log once; what is part of normal work leaves one line each time."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(settings=NO_JITTER)
        worker = Worker()
        worker.script = {"bug": [KeyError("x"), KeyError("x")], "refused": [ValueError("conflict")]}
        async with working(queue, worker):
            queue.add("bug")
            queue.add("refused")
            await asyncio.sleep(10)

    with structlog.testing.capture_logs() as logs:
        run_virtually(scenario())

    assert [(log["key"], log["failures"], log["exc_info"]) for log in logs] == [
        ("bug", 1, True),
        ("refused", 1, False),
        ("bug", 2, False),
    ]
    assert logs[1]["error"] == "ValueError: conflict"
    assert logs[1]["retry_in_seconds"] == 1


def test_gauges_tell_depth_age_and_work() -> None:
    """The gauges show how many keys wait, how long the first has waited and how long work took."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue()
        assert (queue.depth, queue.oldest_age_seconds) == (0, 0)
        queue.add("a")
        await asyncio.sleep(4)
        queue.add("b")
        assert (queue.depth, queue.oldest_age_seconds) == (2, 4)
        async with working(queue, Worker(seconds=2), workers=1):
            await asyncio.sleep(1)
            assert (queue.depth, queue.in_flight, queue.oldest_age_seconds) == (1, 1, 1)
            await asyncio.sleep(9)
        assert queue.counters.busy_seconds == 4

    run_virtually(scenario())


def test_an_idle_queue_wakes_nobody() -> None:
    """A thousand keys that wait for their timers hold one timer of the event loop, and no task runs."""

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(rng=random.Random(3))
        worker = Worker()
        async with working(queue, worker, workers=8):
            for n in range(1000):
                queue.add_after(f"k{n}", 300 + n / 1000)
            await asyncio.sleep(1)
            loop = asyncio.get_running_loop()
            live = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
            assert len(live) == 1
            assert worker.started == []
            await asyncio.sleep(400)
        assert len(worker.started) == 1000

    run_virtually(scenario())
