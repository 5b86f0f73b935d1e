"""Group commit and recording: many waiters, one write; numbers without gaps; a clock that goes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from marquee.audit import committing
from marquee.audit.checking import fsck
from marquee.audit.committing import Committer
from marquee.audit.errors import (
    BusyError,
    FormatError,
    SequenceError,
    SequenceGapError,
    SequenceReusedError,
    StoreError,
)
from marquee.audit.events import INSTALLATION, KeyRotated
from marquee.audit.log import AuditLog, LogKeys
from marquee.audit.recording import Receipt, Recorder
from marquee.audit.statements import read_entry
from marquee.audit.store.posix import FolderStore
from tests.support.audit.disk import Disk, Fault, Faulty
from tests.support.audit.logs import (
    AUTHOR,
    KEYS,
    LOG_KEY,
    NEXT_KEY,
    ORIGIN,
    PUBLIC,
    SUBJECT,
    entries,
    entry,
    event,
    filled,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


class Clock:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.seconds = NOON

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def disk() -> Disk:
    """Empty."""
    return Disk()


@pytest.fixture
def committer(disk: Disk) -> Iterator[Committer]:
    """Running, and ended afterwards."""
    committer = Committer(AuditLog(FolderStore("/log", disk), KEYS), checkpoint_seconds=0.05)
    committer.start()
    yield committer
    committer.stop()


def test_many_waiters_share_a_write(committer: Committer) -> None:
    """Each is answered with its index, in the order in which they came."""
    futures = [committer.submit(one) for one in entries(400)]
    assert [future.result(30) for future in futures] == list(range(400))
    assert committer.counters.groups < 200
    assert committer.counters.entries == 400


def test_a_checkpoint_follows_within_a_second(committer: Committer) -> None:
    """Without anybody asking for it."""
    committer.submit(entry(1)).result(30)
    _until(lambda: committer.log.head.checkpoint.size == 1)
    assert committer.counters.behind_seconds_max < 30
    assert committing.CHECKPOINT_SECONDS <= 0.5


def test_one_that_is_refused_is_told_alone(committer: Committer) -> None:
    """Its group goes on."""
    bad, good = committer.submit(entry(5)), committer.submit(entry(1))
    with pytest.raises(SequenceGapError):
        bad.result(30)
    assert good.result(30) == 0


def test_a_write_that_fails_is_told_to_all_who_waited(disk: Disk) -> None:
    """Nobody waits for ever, and the next ones are taken."""
    filled(FolderStore("/log", disk), 1, models=1).close()
    files = Faulty(disk)
    committer = Committer(AuditLog(FolderStore("/log", files), KEYS))
    files.fault = Fault(files.calls + 3, "refused")
    committer.start()
    with pytest.raises(StoreError):
        committer.submit(entry(2, "growth/model-0")).result(30)
    assert committer.submit(entry(2, "growth/model-0")).result(30) == 1
    assert committer.counters.failures == 1
    committer.stop()


def test_a_checkpoint_that_fails_is_tried_again(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are acknowledged meanwhile."""
    monkeypatch.setattr(committing, "_RETRY_SECONDS", 0.01)
    committer = Committer(AuditLog(FolderStore("/log", disk), KEYS), checkpoint_seconds=0.01)
    real, failures = committer.log.checkpoint, iter([True, True])

    def failing() -> object:
        if next(failures, False):
            raise StoreError("checkpoint", "failed", "wait")
        return real()

    monkeypatch.setattr(committer.log, "checkpoint", failing)
    committer.start()
    assert committer.submit(entry(1)).result(30) == 0
    _until(lambda: committer.log.head.checkpoint.size == 1)
    assert committer.counters.failures == 2
    committer.stop()


def test_too_many_waiters_are_refused(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of theirs was taken; and none is taken by one that ends."""
    monkeypatch.setattr(committing, "MAX_WAITING", 2)
    committer = Committer(AuditLog(FolderStore("/log", disk), KEYS))
    first, _ = committer.submit(entry(1)), committer.submit(entry(2))
    with pytest.raises(BusyError, match=r"2 entries wait to be written; send it again later"):
        committer.submit(entry(3))
    committer.start()
    assert first.result(30) == 0
    committer.stop()
    assert not committer.alive
    with pytest.raises(BusyError):
        committer.submit(entry(3))


def test_numbers_have_no_gap_however_many_record(committer: Committer) -> None:
    """Sixteen at once for two models."""
    recorder = Recorder(committer, AUTHOR)
    with ThreadPoolExecutor(16) as pool:
        receipts = list(pool.map(lambda n: recorder.record(f"growth/m{n % 2}", event(), [SUBJECT]), range(100)))
    for model in ("growth/m0", "growth/m1"):
        assert sorted(one.sequence for one in receipts if one.model == model) == list(range(1, 51))
    with committer.log._lock:  # a checkpoint would take files away meanwhile
        assert fsck(committer.log.store, ORIGIN, PUBLIC).findings == []


def test_a_clock_that_goes_back_delays_nothing(committer: Committer) -> None:
    """Times of a model never go back; how far the clock was behind is said."""
    clock = Clock()
    recorder = Recorder(committer, AUTHOR, clock=clock)
    recorder.record("a/b", event(), [SUBJECT])
    clock.seconds -= 3600
    receipt = recorder.record("a/b", event(), [SUBJECT])
    stamp = read_entry(committer.log.entry(receipt.index)).stamp
    assert (stamp.time.timestamp(), stamp.clock_behind_seconds) == (NOON, 3600)
    clock.seconds += 3601
    receipt = Recorder(committer, AUTHOR, clock=clock).record("a/b", event(), [SUBJECT])
    assert read_entry(committer.log.entry(receipt.index)).stamp.clock_behind_seconds == 0


def test_an_event_that_is_recorded_again_is_found(committer: Committer) -> None:
    """By its number, whatever the time is now; with another content it is refused."""
    clock = Clock()
    recorder = Recorder(committer, AUTHOR, clock=clock)
    assert recorder.record("a/b", event(), [SUBJECT], sequence=1) == Receipt("a/b", 1, 0)
    clock.seconds += 99
    other = Recorder(committer, AUTHOR, clock=clock)
    assert other.record("a/b", event(), [SUBJECT], sequence=1) == Receipt("a/b", 1, 0)
    with pytest.raises(SequenceReusedError, match=r"belongs to another event, at index 0; .*the next number is 2"):
        other.record("a/b", event(permille=7), [SUBJECT], sequence=1)
    with pytest.raises(SequenceGapError, match=r"follows entry 1"):
        other.record("a/b", event(), [SUBJECT], sequence=3)
    assert committer.log.size == 1


def test_an_event_about_nothing_is_refused(committer: Committer) -> None:
    """In-toto has no statement without a subject."""
    with pytest.raises(FormatError, match=r"is about nothing; name a subject with its SHA-256"):
        Recorder(committer, AUTHOR).record("a/b", event(), [])


def test_after_a_failure_the_log_says_which_number_is_next(disk: Disk) -> None:
    """Whether the entry that failed is there or not."""
    log = AuditLog(FolderStore("/log", disk), KEYS)
    files = Faulty(disk)
    log.store = FolderStore("/log", files)
    committer = Committer(log)
    committer.start()
    recorder = Recorder(committer, AUTHOR)
    recorder.record("a/b", event(), [SUBJECT])
    for call in (2, 5, 9):
        files.fault = Fault(files.calls + call, "failed after")
        with pytest.raises((StoreError, SequenceError)):
            recorder.record("a/b", event(call), [SUBJECT])
        recorder.record("a/b", event(call), [SUBJECT])
    committer.stop()
    assert fsck(FolderStore("/log", disk), ORIGIN, PUBLIC).findings == []


def test_a_rotation_is_recorded_once(disk: Disk) -> None:
    """After an opening with another key."""
    filled(FolderStore("/log", disk), 1).close()
    committer = Committer(AuditLog(FolderStore("/log", disk), LogKeys(ORIGIN, [NEXT_KEY], [LOG_KEY.public])))
    committer.start()
    recorder = Recorder(committer, AUTHOR)
    receipt = recorder.record_rotation()
    assert receipt is not None
    statement = read_entry(committer.log.entry(receipt.index))
    assert isinstance(statement.event, KeyRotated)
    assert statement.stamp.model == INSTALLATION
    assert NEXT_KEY.public.identifier.hex() in statement.event.successor
    assert LOG_KEY.public.identifier.hex() in statement.event.retired
    committer.log.checkpoint()
    assert recorder.record_rotation() is None
    committer.stop()


def _until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
