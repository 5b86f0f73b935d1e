"""The one writer: what it takes, what it refuses, what it finds when it opens a log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.audit.checking import fsck
from marquee.audit.errors import (
    DamagedError,
    EntryTooLargeError,
    ForeignLogError,
    FormatError,
    KeyUnknownError,
    SequenceGapError,
    SequenceReusedError,
    StoreFullError,
    WriteLostError,
)
from marquee.audit.heads import CHECKPOINT, copy_path
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.log import REMEMBER_EVERY, AuditLog, LogKeys
from marquee.audit.pending import Group, TornError, decode_group, encode_group
from marquee.audit.sequences import KEPT
from marquee.audit.store.posix import FolderStore
from tests.support.audit.disk import Disk
from tests.support.audit.logs import KEYS, LOG_KEY, NEXT_KEY, ORIGIN, PUBLIC, entries, entry, filled
from tests.support.examples import examples


@pytest.fixture
def disk() -> Disk:
    """In memory."""
    return Disk()


@pytest.fixture
def store(disk: Disk) -> FolderStore:
    """On it."""
    return FolderStore("/log", disk)


def test_an_append_is_durable_before_it_is_signed(store: FolderStore, disk: Disk) -> None:
    """The next writer finds it, although there was no checkpoint."""
    log = AuditLog(store, KEYS)
    assert log.append(entries(3)) == [0, 1, 2]
    assert (log.size, log.head.checkpoint.size) == (3, 0)
    again = AuditLog(FolderStore("/log", disk.ended()), KEYS)
    assert (again.size, again.entry(2)) == (3, entries(3)[2])
    assert again.checkpoint().checkpoint.size == 3


def test_the_same_again_is_found(store: FolderStore) -> None:
    """In the same group, in a later one, after an opening."""
    log = AuditLog(store, KEYS)
    assert log.append([entry(1), entry(1), entry(2)]) == [0, 0, 1]
    assert log.append([entry(2), entry(3)]) == [1, 2]
    log.close()
    assert AuditLog(store, KEYS).append([entry(3)]) == [2]


def test_one_that_is_refused_does_not_stop_the_others(store: FolderStore) -> None:
    """A gap, a number that is taken, too many bytes, no entry at all."""
    log = filled(store, 3, models=1)
    outcomes = log.append([entry(9), entry(2, permille=7, model="growth/model-0"), bytes(70_000), b"{}", entry(1)])
    kinds = [SequenceGapError, SequenceReusedError, EntryTooLargeError, FormatError]
    assert [type(outcome) for outcome in outcomes[:4]] == kinds
    assert str(outcomes[0]) == "growth/lead, sequence 9: follows entry 0 of its model; append entry 1 first"
    assert str(outcomes[1]).startswith("growth/model-0, sequence 2: belongs to another entry, at index 1; read that")
    assert outcomes[4] == 3


def test_a_number_that_is_too_old_cannot_be_compared(store: FolderStore) -> None:
    """The newest of each model are kept."""
    log = filled(store, KEPT + 1, models=1)
    first, second = log.append([entry(1, "growth/model-0"), entry(2, "growth/model-0")])
    assert isinstance(first, SequenceReusedError)
    assert "is older than the last 64 of its model" in str(first)
    assert second == 1


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=examples(15), deadline=None)
def test_however_it_grows_it_is_the_same_log(groups: list[int], signs: list[bool]) -> None:
    """Groups and checkpoints leave no trace in the tree."""
    disk = Disk()
    log, done = AuditLog(FolderStore("/log", disk), KEYS), 0
    for group, sign in zip(groups, signs, strict=False):
        log.append(entries(done + group)[done:])
        done += group
        if sign:
            log.checkpoint()
    log.close()
    whole = filled(FolderStore("/log", Disk()), done)
    assert log.head.checkpoint == whole.head.checkpoint
    assert fsck(FolderStore("/log", disk), ORIGIN, PUBLIC).findings == []


def test_partial_tiles_go_when_the_full_one_is_there(store: FolderStore) -> None:
    """And so do pending groups, once they are in the tree."""
    filled(store, 255)
    log = AuditLog(FolderStore("/log", store._files.ended()), KEYS)  # type: ignore[attr-defined]
    log.append(entries(257)[255:])
    log.checkpoint()
    paths = log.store.paths()
    assert [path for path in paths if ".p/" in path] == ["tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/001.p/1"]
    assert not [path for path in paths if path.startswith("pending/")]


def test_what_was_remembered_spares_reading(store: FolderStore, disk: Disk) -> None:
    """An altered or foreign memory is computed again."""
    log = filled(store, 5)
    log.close()
    assert AuditLog(store, KEYS).course("growth/model-1").last == 2
    for content in (b"{", b'{"size": 5, "root": "00", "models": []}'):
        store.replace("sequences.json", content)
        assert AuditLog(FolderStore("/log", disk.ended()), KEYS).course("growth/model-1").last == 2
    assert REMEMBER_EVERY > 256


@pytest.mark.parametrize("cut", [0, 1, 90, 107, 108, 200, -1])
def test_a_torn_tail_is_put_aside(store: FolderStore, disk: Disk, cut: int) -> None:
    """Wherever it was cut: it was never acknowledged on a disk that keeps its word."""
    log = filled(store, 3)
    log.append(entries(5)[3:])
    log.append(entries(6)[5:])
    name = Group(5, ()).path
    disk.names[f"/log/{name}"].content[:] = store.read(name)[:cut]  # type: ignore[union-attr]
    left = FolderStore("/log", disk.ended())
    assert [finding.where for finding in fsck(left, ORIGIN, PUBLIC).findings] == [name]
    again = AuditLog(left, KEYS)
    assert (again.size, again.append(entries(6)[5:])) == (5, [5])
    assert len(left.read(f"torn/{name.rpartition('/')[2]}")) == len(store.read(name)) if cut == 0 else True
    again.close()
    assert fsck(left, ORIGIN, PUBLIC).findings == []


def test_a_group_that_was_altered_is_damage(store: FolderStore, disk: Disk) -> None:
    """It is as long as it should be, so it was acknowledged; and one that is missing before others."""
    log = filled(store, 3)
    log.append(entries(4)[3:])
    log.append(entries(5)[4:])
    first, second = Group(3, ()).path, Group(4, ()).path
    inode = disk.names[f"/log/{first}"]
    assert inode is not None
    inode.content[-1] ^= 1
    with pytest.raises(DamagedError, match=r"pending/0+3: differs from what was written; restore it from a copy"):
        AuditLog(FolderStore("/log", disk.ended()), KEYS)
    del disk.names[f"/log/{first}"]
    with pytest.raises(DamagedError, match=r"pending/0+4: entry 3 is missing before it"):
        AuditLog(FolderStore("/log", disk.ended()), KEYS)
    assert disk.names[f"/log/{second}"] is not None


@pytest.mark.parametrize("content", [b"x" * 200, encode_group(Group(0, [b"a"])).replace(b"-v1", b"-v2")])
def test_what_is_no_group(content: bytes) -> None:
    """Another magic word, no header."""
    with pytest.raises(DamagedError, match=r"is no group of entries"):
        decode_group("pending/00000000000000000000", content)
    with pytest.raises(TornError):
        decode_group("pending/00000000000000000000", content[:50])


def test_a_checkpoint_of_another_log(store: FolderStore, disk: Disk) -> None:
    """Nothing is written to it."""
    filled(store, 3)
    other = PrivateKey("logs.example/other", Use.LOG, bytes(32))
    with pytest.raises(ForeignLogError, match=r"is of the log 'logs.example/marquee'"):
        AuditLog(FolderStore("/log", disk.ended()), LogKeys(other.name, [other]))


def test_a_key_that_is_missing_after_a_rotation(store: FolderStore, disk: Disk) -> None:
    """The message says which signed, and what to give; with it, the new key goes on."""
    filled(store, 3)
    with pytest.raises(KeyUnknownError, match=r"after a rotation, give the retired public key too"):
        AuditLog(FolderStore("/log", disk.ended()), LogKeys(ORIGIN, [NEXT_KEY]))
    keys = LogKeys(ORIGIN, [NEXT_KEY], [LOG_KEY.public])
    log = AuditLog(FolderStore("/log", disk.ended()), keys)
    log.append(entries(4)[3:])
    assert log.checkpoint().signatures[0].is_by(NEXT_KEY.public)
    assert fsck(log.store, ORIGIN, keys.public).findings == []


def test_while_two_keys_sign_both_count(store: FolderStore) -> None:
    """So that readers of either can follow."""
    log = AuditLog(store, LogKeys(ORIGIN, [LOG_KEY, NEXT_KEY]))
    log.append(entries(1))
    signed = log.checkpoint()
    assert [one.is_by(key.public) for one, key in zip(signed.signatures, (LOG_KEY, NEXT_KEY), strict=True)] == [
        True,
        True,
    ]


def test_a_full_disk_loses_nothing(store: FolderStore, disk: Disk) -> None:
    """Nothing is acknowledged while it is full; when there is space, the same is taken."""
    log = filled(store, 3)
    log.append(entries(5)[3:])
    disk.limit_bytes = 0
    with pytest.raises(StoreFullError, match=r"make space; nothing is acknowledged until then"):
        log.append(entries(6)[5:])
    with pytest.raises(StoreFullError):
        log.checkpoint()
    disk.limit_bytes = None
    assert log.append(entries(6)[5:]) == [5]
    log.close()
    assert fsck(store, ORIGIN, PUBLIC).entries == 6


def test_a_checkpoint_that_is_missing_is_damage(store: FolderStore, disk: Disk) -> None:
    """A log does not begin anew over what is there."""
    filled(store, 3)
    for path in [path for path in disk.names if "checkpoint" in path]:
        del disk.names[path]
    with pytest.raises(DamagedError, match=r"checkpoint: is missing, although there is tile/0/000.p/3"):
        AuditLog(FolderStore("/log", disk.ended()), KEYS)


def test_a_checkpoint_that_was_set_back_is_made_good(store: FolderStore, disk: Disk) -> None:
    """The copies count: a late writer in a bucket cannot undo one."""
    log = filled(store, 3)
    older = store.read(CHECKPOINT)
    log.append(entries(5)[3:])
    log.close()
    store.replace(CHECKPOINT, older)
    again = AuditLog(FolderStore("/log", disk.ended()), KEYS)
    assert again.head.checkpoint.size == 5
    assert again.store.read(CHECKPOINT) == again.store.read(copy_path(5))


def test_tiles_that_were_altered_are_found_at_the_opening(store: FolderStore, disk: Disk) -> None:
    """Nothing is signed on top of them."""
    filled(store, 3)
    inode = disk.names["/log/tile/0/000.p/3"]
    assert inode is not None
    inode.content[5] ^= 4
    with pytest.raises(DamagedError, match=r"the tiles of 3 entries have another root than the checkpoint"):
        AuditLog(FolderStore("/log", disk.ended()), KEYS)


def test_memory_that_changes_is_found_before_signing(store: FolderStore) -> None:
    """A bit flips in an entry between its acknowledgement and its checkpoint; the log goes on from what is stored."""
    log = filled(store, 3)
    log.append(entries(4)[3:])
    log._groups[0] = Group(3, [b"x" + entries(4)[3][1:]])
    with pytest.raises(WriteLostError, match=r"look at the memory of this machine; nothing was signed"):
        log.checkpoint()
    assert log.head.checkpoint.size == 3
    store.remove(["tile/entries/000.p/4"])
    assert log.checkpoint().checkpoint.size == 4
    log.close()
    assert fsck(store, ORIGIN, PUBLIC).findings == []


def test_an_entry_that_does_not_exist(store: FolderStore) -> None:
    """Neither before the first nor behind the last."""
    log = filled(store, 3)
    for index in (-1, 3):
        with pytest.raises(IndexError):
            log.entry(index)


def test_a_real_folder(tmp_path: Path) -> None:
    """The same on the disk of this machine."""
    log = filled(FolderStore(tmp_path / "a" / "log"), 300)
    log.close()
    assert fsck(FolderStore(tmp_path / "a" / "log"), ORIGIN, PUBLIC).entries == 300
