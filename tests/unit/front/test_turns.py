"""The queue of the event loop: order, slices, and what it learns of its own pace."""

from __future__ import annotations

import asyncio
import time

from bentos.front.turns import SLICE_NANOSECONDS, Turns


async def test_answers_come_in_order_and_none_is_lost() -> None:
    """Whoever came first is first."""
    answered: list[int] = []
    turns: Turns[int] = Turns(answered.append, lambda *_: None)
    loop = asyncio.get_running_loop()
    for number in range(1_000):
        turns.enter(number, loop)
    assert len(turns) == 1_000
    while len(turns):
        await asyncio.sleep(0)
    assert answered == list(range(1_000))


async def test_a_long_queue_leaves_the_loop_to_others_between_slices() -> None:
    """Ten answers of a millisecond are several slices, and something else runs in between."""
    answered: list[int] = []

    def answer(number: int) -> None:
        time.sleep(0.001)
        answered.append(number)

    turns: Turns[int] = Turns(answer, lambda *_: None)
    loop = asyncio.get_running_loop()
    for number in range(10):
        turns.enter(number, loop)
    seen: set[int] = set()
    while len(turns):
        await asyncio.sleep(0)
        seen.add(len(answered))
    assert len(seen) >= 4


async def test_the_pace_counts_all_that_happens_while_others_wait() -> None:
    """From slice to slice; the last slice counts by itself, so that an idle time is no slowness."""
    learned: list[tuple[int, int]] = []
    turns: Turns[float] = Turns(time.sleep, lambda *slice_: learned.append(slice_))
    loop = asyncio.get_running_loop()
    turns.enter(SLICE_NANOSECONDS / 1e9, loop)
    turns.enter(0.0, loop)
    loop.call_soon(time.sleep, 0.05)
    while len(turns):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    turns.enter(0.0, loop)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [items for items, _ in learned] == [1, 1, 1]
    assert learned[0][1] > 0.05e9
    assert max(nanoseconds for _, nanoseconds in learned[1:]) < 0.02e9
