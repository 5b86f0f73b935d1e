import asyncio
import random

import uvloop
from hypothesis import given
from hypothesis import strategies as st

from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.runtime.timers import Timers
from tests.unit.control.runtime.virtual_time import run_virtually


class Log:
    """Notes which key came due when."""

    def __init__(self) -> None:
        self.due: list[tuple[float, str]] = []

    def __call__(self, key: str) -> None:
        self.due.append((monotonic_seconds(), key))


def test_keys_come_due_in_time_order() -> None:
    """Keys come due at their times, whatever the order in which they were scheduled."""

    async def scenario() -> list[tuple[float, str]]:
        log = Log()
        timers = Timers(log)
        for due, key in ((3.0, "c"), (1.0, "a"), (2.0, "b")):
            timers.schedule(key, due)
        await asyncio.sleep(10)
        return log.due

    assert run_virtually(scenario()) == [(1.0, "a"), (2.0, "b"), (3.0, "c")]


def test_earliest_wish_for_a_key_wins() -> None:
    """A key that is scheduled twice comes due once, at the earlier time."""

    async def scenario() -> list[tuple[float, str]]:
        log = Log()
        timers = Timers(log)
        timers.schedule("later first", 5.0)
        timers.schedule("later first", 2.0)
        timers.schedule("earlier first", 3.0)
        timers.schedule("earlier first", 9.0)
        assert len(timers) == 2
        await asyncio.sleep(20)
        assert len(timers) == 0
        return log.due

    assert run_virtually(scenario()) == [(2.0, "later first"), (3.0, "earlier first")]


def test_cancelled_key_does_not_come_due() -> None:
    """A cancelled key stays silent, also when it was the next one, and can be scheduled again."""

    async def scenario() -> list[tuple[float, str]]:
        log = Log()
        timers = Timers(log)
        timers.schedule("gone", 1.0)
        timers.schedule("back", 1.5)
        timers.schedule("other", 2.0)
        timers.cancel("gone")
        timers.cancel("back")
        timers.cancel("never scheduled")
        timers.schedule("back", 4.0)
        await asyncio.sleep(10)
        return log.due

    assert run_virtually(scenario()) == [(2.0, "other"), (4.0, "back")]


def test_a_key_may_schedule_itself_again_when_due() -> None:
    """A callback that schedules its own key again gets a period, not a lost timer."""

    async def scenario() -> list[float]:
        times: list[float] = []

        def again(key: str) -> None:
            times.append(monotonic_seconds())
            timers.schedule(key, monotonic_seconds() + 10)

        timers: Timers[str] = Timers(again)
        timers.schedule("tick", 10.0)
        await asyncio.sleep(35)
        return times

    assert run_virtually(scenario()) == [10.0, 20.0, 30.0]


def test_a_thousand_keys_cost_one_handle_and_bounded_memory() -> None:
    """Rescheduling a thousand keys a hundred times leaves one loop timer and a heap of the keys' order."""

    async def scenario() -> None:
        timers: Timers[int] = Timers(lambda _: None)
        rng = random.Random(1)
        for _ in range(100):
            for key in range(1000):
                timers.cancel(key)
                timers.schedule(key, 100 + rng.random())
        loop = asyncio.get_running_loop()
        live = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        assert len(live) == 1
        assert len(timers) == 1000
        assert len(timers._heap) <= 2 * 1000 + 64

    run_virtually(scenario())


@given(wishes=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 50)), min_size=1))
def test_every_key_comes_due_exactly_once_at_its_earliest_time(wishes: list[tuple[str, int]]) -> None:
    """For any wishes made at once, each key comes due once, at the earliest of its times."""

    async def scenario() -> list[tuple[float, str]]:
        log = Log()
        timers = Timers(log)
        for key, due in wishes:
            timers.schedule(key, float(due))
        await asyncio.sleep(60)
        return sorted(log.due, key=lambda entry: entry[1])

    earliest = {key: min(float(due) for k, due in wishes if k == key) for key, _ in wishes}
    assert run_virtually(scenario()) == [(due, key) for key, due in sorted(earliest.items())]


def test_a_clock_that_fires_early_is_not_waited_out() -> None:
    """Uvloop fires a timer up to a millisecond early: the key comes due then, without a busy loop for the rest."""
    keys = 40
    fired = 0

    class Counted(Timers[int]):
        def _fire(self) -> None:
            nonlocal fired
            fired += 1
            super()._fire()

    async def scenario() -> list[int]:
        due: list[int] = []
        all_due = asyncio.Event()

        def on_due(key: int) -> None:
            due.append(key)
            if len(due) == keys:
                all_due.set()

        timers = Counted(on_due)
        now = monotonic_seconds()
        for key in range(keys):
            timers.schedule(key, now + 0.0037 * (key + 1))
        async with asyncio.timeout(30):
            await all_due.wait()
        return due

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == list(range(keys))
    assert fired <= keys
