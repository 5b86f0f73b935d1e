"""What happens to batches, by a scripted ledger and a clock that the test moves."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from bentos.front.reporting.batches import Batch
from bentos.front.reporting.delivery import (
    LEAVING_PAUSE_SECONDS,
    MAX_INNER_FAILURES,
    MAX_PAUSE_SECONDS,
    Delivery,
)
from bentos.front.reporting.sending import Answer, Fate
from bentos.front.reporting.spooling import BLOCK_BYTES, Spool
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from tests.unit.front.reporting.builders import counts, exposures

AWAY = Answer(Fate.LATER, "no route")
BROKEN = Answer(Fate.LATER, "500", failed_inside=True)
REFUSED = Answer(Fate.REFUSED, "422: no")


class World:
    """A delivery with everything around it."""

    def __init__(self, folder: Path, *, limit: int = 32 * 2**20) -> None:
        self.now = 100.0
        self.answers: deque[Answer] = deque()
        self.away = False
        self.posted: list[Batch] = []
        self.losses = 0
        self.statistics = Statistics()
        self.store = Spool(folder, limit, self.statistics)
        self.delivery = Delivery(self, self.store, self.statistics, on_loss=self._lose, clock=lambda: self.now)

    def post(self, batch: Batch) -> Answer:
        """Answer as the test wants it."""
        self.posted.append(batch)
        if self.answers:
            return self.answers.popleft()
        return AWAY if self.away else Answer(Fate.TAKEN)

    def close(self) -> None:
        """Nothing is open."""

    def run(self, seconds: float) -> None:
        """Let the time pass, in steps of what the delivery wants to wait."""
        until = self.now + seconds
        while (pause := self.delivery.pause_seconds()) is not None and self.now + pause <= until:
            self.now += pause
            self.delivery.deliver_one()
        self.now = until

    def _lose(self) -> None:
        self.losses += 1


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_refused_batch_is_dropped_and_the_next_goes_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What can never be taken does not stop the others; the log has the ledger's words."""
    world.answers.append(REFUSED)
    world.delivery.add([exposures(0, units=4), exposures(1)])
    world.run(1)
    assert world.posted == [exposures(0, units=4), exposures(1)]
    assert world.statistics.dropped[Kind.EXPOSURES, Reason.REFUSED] == 4
    assert "422: no" in caplog.text
    assert world.delivery.idle


def test_a_batch_at_which_the_ledger_fails_is_given_up_late(world: World) -> None:
    """One batch that the ledger cannot digest blocks the others for some minutes, not for ever."""
    world.answers.extend([BROKEN] * MAX_INNER_FAILURES)
    world.delivery.add([exposures(0), exposures(1)])
    world.run(20 * 60)
    assert world.posted == [exposures(0)] * MAX_INNER_FAILURES + [exposures(1)]
    assert world.statistics.dropped[Kind.EXPOSURES, Reason.REFUSED] == 1


def test_a_long_outage_is_no_failure_of_a_batch(world: World) -> None:
    """However often a ledger that is away was tried, the batch waits."""
    world.away = True
    world.delivery.add([exposures(0)])
    world.run(3_600)
    assert world.statistics.retries > MAX_INNER_FAILURES
    world.away = False
    world.run(MAX_PAUSE_SECONDS)
    assert world.statistics.sent[Kind.EXPOSURES] == 1


def test_batches_go_straight_to_a_ledger_that_answers(world: World) -> None:
    """No file is written on the way."""
    world.delivery.add([exposures(0, units=3), counts(0, requests=8)])
    assert world.statistics.fresh_units == 3
    world.run(0)
    assert world.posted == [exposures(0, units=3), counts(0, requests=8)]
    assert world.statistics.sent == dict.fromkeys(Kind, 0) | {Kind.EXPOSURES: 3, Kind.COUNTS: 8}
    assert (world.statistics.spooled[Kind.EXPOSURES], world.statistics.fresh_units) == (0, 0)
    assert world.statistics.last_success_seconds > 0
    assert world.delivery.pause_seconds() is None


def test_an_outage_of_ten_minutes_loses_nothing(world: World) -> None:
    """Batches wait in the spool, and leave in their order, with the same bytes, once the ledger is back."""
    world.away = True
    for number in range(600):
        world.delivery.add([exposures(number)])
        world.run(1)
    assert (world.statistics.fresh_units, world.statistics.spool_batches) == (0, 600)
    world.away, tried = False, len(world.posted)
    world.run(MAX_PAUSE_SECONDS)
    assert world.posted[tried:] == [exposures(number) for number in range(600)]
    assert set(world.posted[:tried]) == {exposures(0)}
    growing = 6
    assert tried <= growing + 600 / (MAX_PAUSE_SECONDS / 2)
    assert world.statistics.dropped == dict.fromkeys(world.statistics.dropped, 0)
    assert world.delivery.idle


def test_a_batch_on_its_way_into_the_store_still_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile, from the event loop, does not hear that nothing is left."""
    seen: list[bool] = []

    def slowly(batch: Batch) -> bool:
        seen.append(world.delivery.idle)
        return append(batch)

    append = world.store.append
    monkeypatch.setattr(world.store, "append", slowly)
    world.away = True
    world.delivery.add([exposures(0)])
    world.run(1)
    assert seen == [False]


def test_pauses_grow_to_a_bound_and_start_again_after_success(world: World) -> None:
    """A hundred pods come back spread over some seconds."""
    world.away = True
    world.delivery.add([exposures(0)])
    pauses = []
    for _ in range(12):
        world.delivery.deliver_one()
        pauses.append(world.delivery.pause_seconds() or 0.0)
        world.now += pauses[-1]
    for pause, most in zip(pauses, [0.5, 1, 2, 4, 8, *[MAX_PAUSE_SECONDS] * 7], strict=True):
        assert most / 2 <= pause <= most + 1e-9
    assert len(set(pauses[5:])) == len(pauses[5:])
    world.away = False
    world.run(MAX_PAUSE_SECONDS)
    world.answers.append(AWAY)
    world.delivery.add([exposures(1)])
    world.delivery.deliver_one()
    assert (world.delivery.pause_seconds() or 99) <= 0.5


def test_the_ledgers_own_wish_is_respected(world: World) -> None:
    """Over quota, the batch comes when the ledger said, and not before."""
    world.answers.append(Answer(Fate.LATER, "429", retry_after_seconds=20))
    world.delivery.add([exposures(0)])
    world.delivery.deliver_one()
    assert world.delivery.pause_seconds() == pytest.approx(20)
    world.now += 19
    world.delivery.deliver_one()
    assert len(world.posted) == 1
    world.run(1)
    assert len(world.posted) == 2


def test_a_full_spool_asks_for_the_units_again(tmp_path: Path) -> None:
    """Each dropped batch of exposures is announced, so that its units are reported when they come back."""
    world = World(tmp_path, limit=2 * BLOCK_BYTES)
    world.away = True
    world.delivery.add([exposures(0), exposures(1), exposures(2, units=5), counts(3)])
    world.run(0)
    assert world.statistics.dropped[Kind.EXPOSURES, Reason.SPOOL_FULL] == 5
    assert world.statistics.dropped[Kind.COUNTS, Reason.SPOOL_FULL] == 1
    assert world.losses == 1


def test_a_store_without_any_room_does_not_end_the_delivery(tmp_path: Path) -> None:
    """Nothing can be kept, so everything is dropped while the ledger is away, and arrives when it is back."""
    world = World(tmp_path, limit=0)
    world.away = True
    for number in range(60):
        world.delivery.add([exposures(number)])
        world.run(1)
    world.away = False
    for number in range(60, 100):
        world.delivery.add([exposures(number)])
        world.run(1)
    assert world.statistics.sent[Kind.EXPOSURES] >= 40 - MAX_PAUSE_SECONDS
    assert world.statistics.sent[Kind.EXPOSURES] + world.losses == 100


def test_a_predecessors_batches_come_first(tmp_path: Path) -> None:
    """What an earlier process could not send is older than anything new."""
    before = World(tmp_path)
    before.away = True
    before.delivery.add([exposures(0)])
    before.run(0)
    world = World(tmp_path)
    world.delivery.add([exposures(1)])
    world.run(0)
    assert world.posted == [exposures(0), exposures(1)]


def test_a_leaving_process_tries_more_often(world: World) -> None:
    """However long the outage has been, the ledger gets a chance every half second."""
    world.away = True
    world.delivery.add([exposures(0)])
    world.run(600)
    world.delivery.leave()
    tried = len(world.posted)
    world.run(10)
    assert len(world.posted) - tried >= 10 / LEAVING_PAUSE_SECONDS - 1
    world.away = False
    world.run(LEAVING_PAUSE_SECONDS)
    assert world.delivery.idle


def test_a_leaving_process_needs_no_room_while_the_ledger_answers(tmp_path: Path) -> None:
    """The last batches go straight to it, also when the spool is full or broken."""
    world = World(tmp_path, limit=0)
    world.delivery.leave()
    world.delivery.add([exposures(0), counts(0)])
    world.run(0)
    assert world.posted == [exposures(0), counts(0)]
    assert world.losses == 0
