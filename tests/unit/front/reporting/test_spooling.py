"""Stores of batches: damaged files first, then order, bounds, and what a new process finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bentos.front.reporting.batches import Batch
from bentos.front.reporting.spooling import BLOCK_BYTES, MemoryStore, Spool, Store
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from tests.unit.front.reporting.builders import counts, drained, exposures

LIMIT = 2**20


def spool(folder: Path, statistics: Statistics | None = None, *, limit: int = LIMIT) -> Spool:
    return Spool(folder, limit, statistics or Statistics())


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:0],
        lambda raw: raw[:3],
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: bytes(len(raw)),
        lambda raw: raw[:5] + bytes([raw[5] ^ 1]) + raw[6:],
    ],
    ids=["empty", "head", "cut", "longer", "zeros", "one bit"],
)
def test_a_torn_file_is_counted_and_passed_over(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """What a crash of the node left of a file is noticed; the batches around it arrive."""
    first = spool(tmp_path)
    for number in range(3):
        first.append(exposures(number))
    torn = files(tmp_path)[1]
    torn.write_bytes(damage(torn.read_bytes()))
    statistics = Statistics()
    second = spool(tmp_path, statistics)
    assert drained(second) == [exposures(0), exposures(2)]
    assert statistics.torn_files == 1
    assert (statistics.spool_bytes, statistics.spool_batches, files(tmp_path)) == (0, 0, [])


def test_a_file_that_somebody_removed_is_passed_over(tmp_path: Path) -> None:
    """A person who cleans up does not stop the reporter."""
    statistics = Statistics()
    store = spool(tmp_path, statistics)
    store.append(exposures(0))
    store.append(exposures(1))
    files(tmp_path)[0].unlink()
    assert drained(store) == [exposures(1)]
    assert statistics.torn_files == 1


def test_the_unfinished_file_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """It never got its name; it is counted, and its room is free again. Files of others stay."""
    (tmp_path / "00000000000000000001-3.exposures.part").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    statistics = Statistics()
    assert spool(tmp_path, statistics).oldest() is None
    assert statistics.torn_files == 1
    assert [path.name for path in files(tmp_path)] == ["notes.txt"]


def test_a_folder_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    """A file in its place is found out before anything has to be kept."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        spool(tmp_path / "file" / "spool")


def test_a_spool_that_breaks_later_drops_and_counts(tmp_path: Path) -> None:
    """A volume that vanishes or is full costs the batch, and no exception reaches the reporter."""
    statistics = Statistics()
    store = spool(tmp_path / "spool", statistics)
    (tmp_path / "spool").rmdir()
    assert not store.append(exposures(0, units=7))
    assert statistics.dropped[Kind.EXPOSURES, Reason.SPOOL_BROKEN] == 7
    assert len(store) == 0


@pytest.fixture(params=["files", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int, Statistics], Store]:
    """Either store, by limit and statistics."""
    if request.param == "memory":
        return MemoryStore
    return lambda limit, statistics: Spool(tmp_path, limit, statistics)


def test_batches_leave_in_their_order(make: Callable[[int, Statistics], Store]) -> None:
    """Both kinds share one queue."""
    statistics = Statistics()
    store = make(LIMIT, statistics)
    batches = [exposures(0, units=5), counts(0, requests=9), exposures(1, units=2)]
    assert all(store.append(batch) for batch in batches)
    assert (len(store), statistics.spool_batches) == (3, 3)
    assert statistics.spooled == dict.fromkeys(Kind, 0) | {Kind.EXPOSURES: 7, Kind.COUNTS: 9}
    assert store.oldest() == store.oldest() == batches[0]
    assert drained(store) == batches
    assert (len(store), statistics.spool_batches, statistics.spool_bytes) == (0, 0, 0)


def test_the_newest_batch_is_dropped_when_there_is_no_room(make: Callable[[int, Statistics], Store]) -> None:
    """The old ones know where a unit was first seen; room that is given back is used again."""
    statistics = Statistics()
    store = make(2 * BLOCK_BYTES, statistics)
    big = [Batch(Kind.EXPOSURES, bytes([number]) * (BLOCK_BYTES - 4), 10) for number in range(4)]
    assert [store.append(batch) for batch in big[:3]] == [True, True, False]
    assert statistics.dropped[Kind.EXPOSURES, Reason.SPOOL_FULL] == 10
    assert store.oldest() == big[0]
    store.remove_oldest()
    assert store.append(big[3])
    assert drained(store) == [big[1], big[3]]


def test_room_is_counted_as_the_volume_counts_it(tmp_path: Path) -> None:
    """A small file takes a whole block, and a pod over its volume's limit is evicted."""
    statistics = Statistics()
    store = spool(tmp_path, statistics, limit=2 * BLOCK_BYTES)
    assert [store.append(counts(number)) for number in range(3)] == [True, True, False]
    assert statistics.spool_bytes == 2 * BLOCK_BYTES
    assert sum(path.stat().st_blocks * 512 for path in files(tmp_path)) <= 2 * BLOCK_BYTES


def test_a_new_process_sends_what_its_predecessor_kept(tmp_path: Path) -> None:
    """Order, kinds and numbers of records outlive the process, and new batches queue up behind."""
    first = spool(tmp_path)
    first.append(exposures(0, units=5))
    first.append(counts(0, requests=9))
    statistics = Statistics()
    second = spool(tmp_path, statistics)
    second.append(exposures(1))
    assert drained(second) == [exposures(0, units=5), counts(0, requests=9), exposures(1)]
    assert statistics.spooled[Kind.COUNTS] == 0


def test_a_killed_process_leaves_whole_batches(tmp_path: Path) -> None:
    """SIGKILL at any moment: each file that has its name is complete."""
    program = (
        "import sys; from pathlib import Path\n"
        "from bentos.front.reporting.batches import Batch\n"
        "from bentos.front.reporting.spooling import Spool\n"
        "from bentos.front.reporting.statistics import Kind, Statistics\n"
        "spool = Spool(Path(sys.argv[1]), 2**30, Statistics())\n"
        "print('ready', flush=True)\n"
        "while True: spool.append(Batch(Kind.EXPOSURES, b'x' * 200_000, 1))\n"
    )
    path = os.pathsep.join(["operator", "."])
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while len(files(tmp_path)) < 3:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    statistics = Statistics()
    found = drained(spool(tmp_path, statistics))
    assert len(found) >= 2
    assert {batch.body for batch in found} == {b"x" * 200_000}
    assert statistics.torn_files <= 1
