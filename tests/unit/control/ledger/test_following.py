from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from marquee.contract.ledger import RolloutStatistics
from marquee.control.ledger.errors import LedgerNotUnderstoodError, LedgerUnavailableError
from marquee.control.ledger.following import FollowerSettings, LedgerFollower
from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.snapshot import ModelKey, Reading
from tests.unit.control.ledger.integers import KEY, statistics
from tests.unit.control.runtime.virtual_time import run_virtually

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER = ("shop", "value")
NO_JITTER = FollowerSettings(backoff=Backoff(initial_seconds=1.0, maximum_seconds=8.0, jitter=0.0))


def at(seconds: float) -> datetime:
    """The wall clock, so many seconds of virtual time after the start."""
    return START + timedelta(seconds=seconds)


@dataclass
class Book:
    """What a ledger holds, and how it behaves."""

    rollouts: dict[str, RolloutStatistics] = field(default_factory=dict)
    failure: Exception | None = None
    takes_seconds: float = 0.0
    asked_at: list[float] = field(default_factory=list)
    _told: dict[str, RolloutStatistics] | None = None

    def count(self, rollout: str, revision: int, *, model: str = "shop/leads") -> RolloutStatistics:
        self.rollouts[rollout] = statistics(model=model, rollout=rollout, revision=revision)
        return self.rollouts[rollout]

    async def statistics(self) -> tuple[RolloutStatistics, ...] | None:
        self.asked_at.append(round(monotonic_seconds(), 3))
        found = dict(self.rollouts)
        await asyncio.sleep(self.takes_seconds)
        if self.failure is not None:
            raise self.failure
        if found == self._told:
            return None
        self._told = found
        return tuple(found.values())


@dataclass
class World:
    """A follower that runs, its ledger, and what it called."""

    book: Book
    follower: LedgerFollower
    changes: list[tuple[float, ModelKey]]


def in_virtual_time(
    scenario: Callable[[World], Coroutine[Any, Any, None]], settings: FollowerSettings = NO_JITTER
) -> None:
    async def main() -> None:
        book = Book()
        changes: list[tuple[float, ModelKey]] = []
        follower = LedgerFollower(
            book.statistics,
            lambda key: changes.append((round(monotonic_seconds(), 3), key)),
            settings=settings,
            now=lambda: at(round(monotonic_seconds(), 3)),
            rng=random.Random(7),
        )
        task = asyncio.create_task(follower.run())
        await scenario(World(book, follower, changes))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtually(main())


def test_nobody_is_asked_while_nothing_is_followed() -> None:
    """Without a rollout of interest the ledger gets no request, before the first and after the last."""

    async def scenario(world: World) -> None:
        await asyncio.sleep(100)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(15)
        world.follower.follow(KEY, None)
        await asyncio.sleep(100)
        assert world.book.asked_at == [100, 110]
        assert world.follower.followed == 0

    in_virtual_time(scenario)


def test_followed_rollout_is_read_at_once_and_then_every_interval() -> None:
    """The first reading is there after one round trip, as of the moment of asking."""

    async def scenario(world: World) -> None:
        told = world.book.count("r1", 5)
        world.book.takes_seconds = 1.0
        world.follower.follow(KEY, "r1")
        assert world.follower.reading(KEY) is None
        await asyncio.sleep(1.5)
        assert world.follower.reading(KEY) == Reading(told, "", at(0))
        await asyncio.sleep(30)
        assert world.book.asked_at == [0, 11, 22]
        assert world.changes == [(1, KEY)]

    in_virtual_time(scenario)


def test_model_is_told_when_its_revision_changes_and_only_then() -> None:
    """Other rollouts' changes and repeated answers are no news; the reading's age is that of the last answer."""

    async def scenario(world: World) -> None:
        world.book.count("r1", 1)
        world.book.count("r2", 1, model="shop/value")
        world.follower.follow(KEY, "r1")
        world.follower.follow(OTHER, "r2")
        await asyncio.sleep(15)
        assert world.changes == [(0, KEY), (0, OTHER)]
        later = world.book.count("r2", 2, model="shop/value")
        await asyncio.sleep(10)
        assert world.changes[2:] == [(20, OTHER)]
        assert world.follower.reading(OTHER) == Reading(later, "", at(20))
        unchanged = world.follower.reading(KEY)
        assert unchanged is not None
        assert unchanged.as_of == at(20)

    in_virtual_time(scenario)


def test_smaller_revision_is_a_change_too() -> None:
    """A ledger that was restored from a backup says less than before; that is what holds now."""

    async def scenario(world: World) -> None:
        world.book.count("r1", 9)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(5)
        restored = world.book.count("r1", 3)
        await asyncio.sleep(10)
        assert world.changes == [(0, KEY), (10, KEY)]
        reading = world.follower.reading(KEY)
        assert reading is not None
        assert reading.statistics == restored

    in_virtual_time(scenario)


def test_rollout_that_the_ledger_does_not_hold_open_reads_as_nothing() -> None:
    """Read and not found differs from not read yet; when it comes, and when it goes, the model is told."""

    async def scenario(world: World) -> None:
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(5)
        assert world.follower.reading(KEY) == Reading(None, "", at(0))
        told = world.book.count("r1", 1)
        await asyncio.sleep(10)
        assert world.follower.reading(KEY) == Reading(told, "", at(10))
        world.book.rollouts.clear()
        await asyncio.sleep(10)
        assert world.follower.reading(KEY) == Reading(None, "", at(20))
        assert world.changes == [(0, KEY), (10, KEY), (20, KEY)]

    in_virtual_time(scenario)


def test_same_rollout_name_of_two_models_is_two_rollouts() -> None:
    """A rollout's name is unique within its model only."""

    async def scenario(world: World) -> None:
        mine = statistics(model="shop/leads", revision=1)
        others = statistics(model="shop/value", revision=2)
        world.book.rollouts = {"a": mine, "b": others}
        world.follower.follow(KEY, "r1")
        world.follower.follow(OTHER, "r1")
        await asyncio.sleep(1)
        assert [r and r.statistics for r in map(world.follower.reading, (KEY, OTHER))] == [mine, others]

    in_virtual_time(scenario)


def test_new_interest_does_not_wait_for_the_interval() -> None:
    """Another model's rollout is read within the settling pause, though nothing has changed in the ledger."""

    async def scenario(world: World) -> None:
        told = world.book.count("r2", 1, model="shop/value")
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(3)
        world.follower.follow(OTHER, "r2")
        await asyncio.sleep(0.1)
        assert world.follower.reading(OTHER) == Reading(told, "", at(3))
        await asyncio.sleep(9.5)
        assert world.book.asked_at == [0, 3]
        assert world.changes == [(0, KEY), (3, OTHER)]

    in_virtual_time(scenario)


def test_many_new_interests_cost_few_requests() -> None:
    """A thousand rollouts that come within a second are read with one request per settling pause."""

    async def scenario(world: World) -> None:
        for number in range(1_000):
            world.follower.follow(("shop", f"model-{number}"), "r1")
            await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert len(world.book.asked_at) <= 7
        assert len(world.changes) == 1_000

    in_virtual_time(scenario)


def test_following_again_asks_for_nothing() -> None:
    """Each pass over a model repeats its interest; only the first costs a request."""

    async def scenario(world: World) -> None:
        for _ in range(90):
            world.follower.follow(KEY, "r1")
            await asyncio.sleep(0.1)
        assert world.book.asked_at == [0]

    in_virtual_time(scenario)


def test_answer_that_was_asked_for_before_the_interest_does_not_count() -> None:
    """A rollout that was declared while an older request was under way is not called unknown."""

    async def scenario(world: World) -> None:
        world.book.takes_seconds = 2.0
        world.follower.follow(OTHER, "r9")
        await asyncio.sleep(1)
        told = world.book.count("r1", 1)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(2)
        assert world.follower.reading(OTHER) is not None
        assert world.follower.reading(KEY) is None
        await asyncio.sleep(3)
        assert world.follower.reading(KEY) == Reading(told, "", at(2.2))

    in_virtual_time(scenario)


def test_next_rollout_of_a_model_starts_without_a_reading() -> None:
    """The integers of the rollout before are never shown as those of the next."""

    async def scenario(world: World) -> None:
        world.book.count("r1", 7)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(1)
        told = world.book.count("r2", 7)
        world.follower.follow(KEY, "r2")
        assert world.follower.reading(KEY) is None
        await asyncio.sleep(1)
        assert world.follower.reading(KEY) == Reading(told, "", at(1))
        assert world.changes == [(0, KEY), (1, KEY)]

    in_virtual_time(scenario)


def test_forgotten_model_is_not_told_even_by_the_request_under_way() -> None:
    """After `forget` nothing of a model is left, and its name in a late answer moves nothing."""

    async def scenario(world: World) -> None:
        world.book.count("r1", 1)
        world.book.takes_seconds = 1.0
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(0.5)
        world.follower.forget(KEY)
        world.follower.forget(KEY)
        await asyncio.sleep(30)
        assert world.follower.reading(KEY) is None
        assert world.changes == []
        assert world.book.asked_at == [0]

    in_virtual_time(scenario)


def test_outage_keeps_the_last_integers_and_says_since_when() -> None:
    """While the ledger is away a reading has its old statistics and time, the reason of now, and its beginning."""

    async def scenario(world: World) -> None:
        told = world.book.count("r1", 1)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(5)
        world.book.failure = LedgerUnavailableError("refused")
        await asyncio.sleep(6)
        assert world.follower.reading(KEY) == Reading(told, "refused", at(0), at(10))
        world.book.failure = LedgerUnavailableError("timed out")
        await asyncio.sleep(10)
        assert world.follower.reading(KEY) == Reading(told, "timed out", at(0), at(10))
        assert world.changes == [(0, KEY), (10, KEY)]

    in_virtual_time(scenario)


def test_end_of_an_outage_is_told_though_no_integer_changed() -> None:
    """A model that holds because the ledger is away learns that it is back."""

    async def scenario(world: World) -> None:
        told = world.book.count("r1", 1)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(5)
        world.book.failure = LedgerUnavailableError("refused")
        await asyncio.sleep(6.5)
        world.book.failure = None
        await asyncio.sleep(2)
        assert world.follower.reading(KEY) == Reading(told, "", at(13))
        assert world.changes == [(0, KEY), (10, KEY), (13, KEY)]

    in_virtual_time(scenario)


def test_ledger_that_never_answered_reads_as_a_failure() -> None:
    """Without any statistics a reading says since when, also for a rollout that came during the outage."""

    async def scenario(world: World) -> None:
        world.book.failure = LedgerNotUnderstoodError("not a ledger")
        await asyncio.sleep(4)
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(1)
        world.follower.follow(OTHER, "r2")
        expected = Reading(None, "not a ledger", at(4), at(4))
        assert world.follower.reading(KEY) == expected
        assert world.follower.reading(OTHER) == expected

    in_virtual_time(scenario)


def test_attempts_grow_rarer_and_new_interest_does_not_hurry_them() -> None:
    """Pauses double up to their ceiling; after an answer the next outage starts from the first pause."""

    async def scenario(world: World) -> None:
        world.book.failure = LedgerUnavailableError("refused")
        for number in range(250):
            world.follower.follow(("shop", f"model-{number}"), "r1")
            await asyncio.sleep(0.1)
        assert world.book.asked_at == [0, 1, 3, 7, 15, 23]
        world.book.failure = None
        await asyncio.sleep(8)
        world.book.failure = LedgerUnavailableError("refused")
        await asyncio.sleep(10)
        assert world.book.asked_at[6:] == [31, 41, 42]
        assert world.follower.counters.failures == 8
        assert world.follower.counters.reads == 1

    in_virtual_time(scenario)


def test_pauses_after_failures_are_spread() -> None:
    """With jitter a pause lies between half its ceiling and all of it."""

    async def scenario(world: World) -> None:
        world.book.failure = LedgerUnavailableError("refused")
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(600)
        pauses = [b - a for a, b in zip(world.book.asked_at, world.book.asked_at[1:], strict=False)]
        assert all(15 <= pause <= 30 for pause in pauses[6:])
        assert len({round(pause, 1) for pause in pauses[6:]}) > 5

    in_virtual_time(scenario, FollowerSettings())


def test_outage_is_forgotten_with_the_last_rollout() -> None:
    """Nobody looked in between, so a later rollout does not begin with an old failure."""

    async def scenario(world: World) -> None:
        world.book.failure = LedgerUnavailableError("refused")
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(1.5)
        world.follower.forget(KEY)
        world.book.failure = None
        await asyncio.sleep(1_000)
        world.follower.follow(KEY, "r2")
        assert world.follower.reading(KEY) is None
        await asyncio.sleep(0.1)
        assert world.follower.reading(KEY) == Reading(None, "", at(1_001.5))

    in_virtual_time(scenario)


def test_age_counts_from_the_last_answer() -> None:
    """Without interest there is no age; with it, it grows from the interest on until the ledger answers."""

    async def scenario(world: World) -> None:
        await asyncio.sleep(100)
        assert world.follower.age_seconds is None
        world.book.failure = LedgerUnavailableError("refused")
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(6)
        assert world.follower.age_seconds == pytest.approx(6)
        world.book.failure = None
        await asyncio.sleep(3)
        assert world.follower.age_seconds == pytest.approx(2)

    in_virtual_time(scenario)


def test_interval_shorter_than_the_settling_pause_is_no_busy_loop() -> None:
    """However short the interval is set, the ledger gets five requests a second at most."""

    async def scenario(world: World) -> None:
        world.follower.follow(KEY, "r1")
        await asyncio.sleep(10)
        assert 49 <= len(world.book.asked_at) <= 51

    in_virtual_time(scenario, FollowerSettings(interval_seconds=0.0))


def test_bug_in_reading_ends_the_task() -> None:
    """What is not of the ledger's tree of errors is not taken for an outage."""

    async def main() -> None:
        async def broken() -> None:
            raise KeyError("a bug")

        follower = LedgerFollower(broken, lambda _: None)
        follower.follow(KEY, "r1")
        with pytest.raises(KeyError):
            await follower.run()

    run_virtually(main())
