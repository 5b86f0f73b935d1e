"""Whatever the order of events, failures and delays: no add is lost, and no key is held twice."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.queue import QueueSettings, WorkQueue
from tests.support.examples import examples
from tests.unit.control.runtime.virtual_time import run_virtually

KEYS = "abc"
SETTINGS = QueueSettings(backoff=Backoff(initial_seconds=0.5, maximum_seconds=20), expected_errors=(ValueError,))
LONGEST_WAIT_SECONDS = 1000.0


@dataclass(frozen=True)
class Happening:
    """After a pause, a key is added, at once or after a delay."""

    pause: float
    key: str
    delay: float | None


@dataclass(frozen=True)
class Outcome:
    """What one processing does: how long it takes, whether it fails, what it returns, whether it adds its own key."""

    seconds: float
    fails: bool
    again_in: float | None
    wakes_itself: bool


@dataclass
class History:
    """What was asked and what ran, on one time line."""

    adds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    delayed: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    running: set[str] = field(default_factory=set)
    most_at_once: int = 0
    step: int = 0

    def next_step(self) -> int:
        self.step += 1
        return self.step


seconds = st.floats(0, 5, allow_nan=False).map(lambda value: round(value, 2))
happenings = st.builds(Happening, seconds, st.sampled_from(KEYS), st.none() | seconds)
outcomes = st.builds(Outcome, seconds, st.booleans(), st.none() | seconds, st.booleans())


async def play(events: list[Happening], script: list[Outcome], workers: int) -> tuple[WorkQueue[str], History]:
    queue: WorkQueue[str] = WorkQueue(settings=SETTINGS)
    history = History()
    remaining = iter(script)

    def add(key: str) -> None:
        history.adds[key].append(history.next_step())
        queue.add(key)

    async def process(key: str) -> float | None:
        assert key not in history.running, "two processings of one key at once"
        history.running.add(key)
        history.most_at_once = max(history.most_at_once, len(history.running))
        history.starts[key].append(history.next_step())
        outcome = next(remaining, Outcome(0, fails=False, again_in=None, wakes_itself=False))
        try:
            await asyncio.sleep(outcome.seconds)
            if outcome.wakes_itself:
                add(key)
            if outcome.fails:
                raise ValueError("scripted")
            return outcome.again_in
        finally:
            history.running.discard(key)

    running = asyncio.create_task(queue.run(process, workers=workers))
    for event in events:
        await asyncio.sleep(event.pause)
        if event.delay is None:
            add(event.key)
        else:
            history.delayed[event.key].append(history.next_step())
            queue.add_after(event.key, event.delay)
    await asyncio.sleep(LONGEST_WAIT_SECONDS)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return queue, history


@settings(max_examples=examples(100), deadline=None)
@given(
    events=st.lists(happenings, max_size=30),
    script=st.lists(outcomes, max_size=30),
    workers=st.integers(1, 4),
)
def test_every_add_is_followed_by_a_processing_that_starts_after_it(
    events: list[Happening], script: list[Outcome], workers: int
) -> None:
    """No wake-up is lost, no key is processed twice at once, no more keys at once than workers, and all ends."""
    queue, history = run_virtually(play(events, script, workers))

    for key in KEYS:
        wishes = history.adds[key] + history.delayed[key]
        assert not wishes or history.starts[key][-1] > max(wishes)
        assert wishes or not history.starts[key]
    assert history.most_at_once <= workers
    assert (queue.depth, queue.in_flight, queue.failing, queue.scheduled) == (0, 0, 0, 0)


@settings(max_examples=examples(100), deadline=None)
@given(events=st.lists(happenings, max_size=60))
def test_runs_are_never_more_than_wishes(events: list[Happening]) -> None:
    """Without failures, a key runs at most once for each wish: coalescing only ever saves work."""
    _, history = run_virtually(play(events, [], workers=2))

    for key in KEYS:
        assert len(history.starts[key]) <= len(history.adds[key]) + len(history.delayed[key])
