"""``fsck`` names every file that is not as it must be, and no other."""

from __future__ import annotations

import random

import pytest

from marquee.audit.checking import fsck
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.log import AuditLog
from marquee.audit.notes import Checkpoint, sign
from marquee.audit.store.posix import FolderStore
from tests.support.audit.disk import Disk
from tests.support.audit.logs import KEYS, LOG_KEY, ORIGIN, PUBLIC, entries, filled, witnessed


@pytest.fixture
def disk() -> Disk:
    """A log of 300 entries in the tree and 3 behind it, cosigned."""
    disk = Disk()
    log = filled(FolderStore("/log", disk), 290)
    log.append(entries(300)[290:])
    log.checkpoint()
    log._remember()
    witnessed(log)
    log.append(entries(303)[300:])
    return disk


def places(disk: Disk) -> list[str]:
    return [finding.where for finding in fsck(FolderStore("/log", disk), ORIGIN, PUBLIC).findings]


def test_a_good_log(disk: Disk) -> None:
    """Its checkpoint, and how many entries there are."""
    report = fsck(FolderStore("/log", disk), ORIGIN, PUBLIC)
    assert report.is_good
    assert report.checkpoint is not None
    assert (report.entries, report.checkpoint.size) == (303, 300)


def test_nothing_at_all_is_good() -> None:
    """A log that was not begun."""
    assert fsck(FolderStore("/log", Disk()), ORIGIN, PUBLIC).is_good


def test_every_bit_counts(disk: Disk) -> None:
    """Of any file; random ones, several in each. Cosignatures are for readers, whose policy has the witnesses' keys."""
    chance, store = random.Random(5), FolderStore("/log", disk)
    for path in store.paths():
        inode = disk.names[f"/log/{path}"]
        assert inode is not None
        for _ in range(4):
            length = (bytes(inode.content) + b"\xe2\x80\x94 witness").index(b"\xe2\x80\x94 witness")
            at, bit = chance.randrange(length), 1 << chance.randrange(8)
            inode.content[at] ^= bit
            assert places(disk), f"byte {at} of {path}"
            inode.content[at] ^= bit
    assert places(disk) == []


def test_every_file_is_missed(disk: Disk) -> None:
    """But those that only help: copies of checkpoints, what was remembered, narrower tiles, cosignatures."""
    helping = ("checkpoints/", "sequences.json", "tile/0/001.p/34", "tile/entries/001.p/34", "cosigned-checkpoint")
    for path in FolderStore("/log", disk).paths():
        inode = disk.names.pop(f"/log/{path}")
        expected = not path.startswith(helping) and path != "pending/00000000000000000300"
        assert bool(places(disk)) is expected, path
        disk.names[f"/log/{path}"] = inode


def test_what_does_not_belong(disk: Disk) -> None:
    """Tiles of nothing, files of nobody."""
    store = FolderStore("/log", disk)
    for path in ("tile/0/002", "tile/0/2", "notes.txt"):
        store.replace(path, b"x" * 8192)
        assert places(disk) == [path]
        store.remove([path])


def test_a_second_tree_of_the_same_size(disk: Disk) -> None:
    """Signed by the log: a split view, in a copy of a checkpoint that was kept."""
    store = FolderStore("/log", disk)
    store.replace("cosigned-checkpoint", sign(Checkpoint(ORIGIN, 300, bytes(32)), [LOG_KEY]).text.encode())
    findings = fsck(store, ORIGIN, PUBLIC).findings
    assert [(one.where, one.what) for one in findings] == [
        ("cosigned-checkpoint", "SPLIT VIEW: two trees of 300 entries were signed")
    ]
    store.replace("cosigned-checkpoint", sign(Checkpoint(ORIGIN, 200, bytes(32)), [LOG_KEY]).text.encode())
    assert places(disk) == ["tree"]


def test_an_entry_that_was_left_out_before_it_was_logged() -> None:
    """The log would not have taken it, but whoever has its key can write one that would."""
    store = FolderStore("/log", Disk())
    log = AuditLog(store, KEYS)
    log._sequences.admit = lambda position, index, leaf: index  # type: ignore[method-assign] # noqa: ARG005
    log.append([entries(9)[0], entries(9)[6]])
    log.checkpoint()
    findings = fsck(store, ORIGIN, PUBLIC).findings
    assert [one.where for one in findings] == ["entry 1"]
    assert "growth/model-0, sequence 3: follows entry 1 of its model" in findings[0].what


def test_another_logs_keys(disk: Disk) -> None:
    """One finding, and nothing else is looked at."""
    other = PrivateKey(ORIGIN, Use.LOG, bytes([9] * 32))
    findings = fsck(FolderStore("/log", disk), ORIGIN, [other.public]).findings
    assert len(findings) == 1
    assert "is signed by none of the trusted keys" in findings[0].what
