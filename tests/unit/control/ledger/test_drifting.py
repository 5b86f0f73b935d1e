"""The follower of drift: asks, judges in a thread, tells of what is new, and survives a ledger that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from marquee.api.drift import Drift
from marquee.contract.drift import DriftReply
from marquee.control.decide.plan import DriftQuestion
from marquee.control.ledger.drifting import DriftFollower
from marquee.control.ledger.errors import LedgerError, LedgerUnavailableError
from marquee.control.snapshot import DriftReading, ModelKey
from marquee.evidence.errors import CountsError
from marquee.judging.drifting import DriftState, DriftVerdict
from tests.support.drift import reply

KEY, OTHER = ("shop", "leads"), ("shop", "value")
QUESTION = DriftQuestion("leads-v1", Drift())
PERIOD = 0.05


@dataclass
class Windows:
    """A ledger that answers as the test says, and remembers what it was asked."""

    reply: DriftReply = field(default_factory=lambda: reply(6))
    tag: str = "a"
    failure: LedgerError | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def read(self, model: str, revision: str, _: Drift, *, etag: str = "") -> tuple[DriftReply, str] | None:
        self.asked.append((model, revision, etag))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return None if etag == self.tag else (self.reply, self.tag)


def scenario(
    body: Callable[[Windows, DriftFollower, list[ModelKey]], Coroutine[Any, Any, None]],
    judge: Callable[[DriftReply, Drift], DriftVerdict] | None = None,
) -> None:
    """Run the follower beside the body."""

    async def main() -> None:
        windows, changes = Windows(), list[ModelKey]()
        more = {"judge": judge} if judge is not None else {}
        follower = DriftFollower(windows.read, changes.append, interval_seconds=PERIOD, **more)
        task = asyncio.create_task(follower.run())
        try:
            await body(windows, follower, changes)
            assert not task.done()
        finally:
            task.cancel()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_followed_model_is_read_judged_and_told_once() -> None:
    """Further looks bring the tag along, and say nothing while nothing changes."""

    async def body(windows: Windows, follower: DriftFollower, changes: list[ModelKey]) -> None:
        assert follower.reading(KEY) is None
        follower.follow(KEY, QUESTION)
        await until(lambda: len(windows.asked) >= 3)
        reading = follower.reading(KEY)
        assert reading is not None
        assert reading.verdict is not None
        assert (reading.revision, reading.verdict.state, reading.failure) == ("leads-v1", DriftState.STABLE, "")
        assert changes == [KEY]
        assert [etag for _, _, etag in windows.asked[:3]] == ["", "a", "a"]
        assert windows.asked[0][:2] == ("shop/leads", "leads-v1")
        assert follower.counters.verdicts == 1

    scenario(body)


def test_another_revision_or_spec_is_another_question() -> None:
    """It is asked at once, and without the tag of the one before."""

    async def body(windows: Windows, follower: DriftFollower, _: list[ModelKey]) -> None:
        follower.follow(KEY, QUESTION)
        await until(lambda: follower.reading(KEY))
        for question in (DriftQuestion("leads-v2", Drift()), DriftQuestion("leads-v2", Drift(history_windows=7))):
            windows.asked.clear()
            follower.follow(KEY, question)
            assert follower.reading(KEY) is None
            await until(lambda: follower.reading(KEY))
            assert windows.asked[0] == ("shop/leads", "leads-v2", "")

    scenario(body)


def test_what_is_not_followed_is_not_asked() -> None:
    """Forgotten, or not wanted any more."""

    async def body(windows: Windows, follower: DriftFollower, _: list[ModelKey]) -> None:
        for key in (KEY, OTHER):
            follower.follow(key, QUESTION)
        await until(lambda: follower.reading(OTHER))
        follower.forget(KEY)
        follower.follow(OTHER, None)
        assert follower.followed == 0
        windows.asked.clear()
        await asyncio.sleep(3 * PERIOD)
        assert windows.asked == []

    scenario(body)


def test_an_outage_is_told_and_the_last_verdict_stays() -> None:
    """Until the ledger answers again; then everything is read anew."""

    async def body(windows: Windows, follower: DriftFollower, changes: list[ModelKey]) -> None:
        follower.follow(KEY, QUESTION)
        await until(lambda: follower.reading(KEY))
        good = follower.reading(KEY)
        assert good is not None
        windows.failure = LedgerUnavailableError("no answer")
        await until(lambda: follower.counters.failures >= 2)
        assert follower.reading(KEY) == DriftReading("leads-v1", good.verdict, "drift can't be judged: no answer")
        assert changes == [KEY, KEY]
        windows.failure = None
        await until(lambda: follower.reading(KEY) == good)
        assert changes == [KEY, KEY, KEY]

    scenario(body)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CountsError("bins", "are odd", "count anew"), "are odd"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: a bug, please report it"),
    ],
)
def test_integers_that_contradict_each_other_end_nothing(error: Exception, words: str) -> None:
    """The reason is told, and the next look may be better."""

    def judge(_: DriftReply, __: Drift) -> DriftVerdict:
        raise error

    async def body(_: Windows, follower: DriftFollower, __: list[ModelKey]) -> None:
        follower.follow(KEY, QUESTION)
        await until(lambda: follower.reading(KEY))
        reading = follower.reading(KEY)
        assert reading is not None
        assert reading.verdict is None
        assert words in reading.failure

    scenario(body, judge)
