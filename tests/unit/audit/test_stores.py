"""Both stores keep the same promises: whole files, immutable ones, read back; errors in words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import fsspec
import pytest
from moto.server import ThreadedMotoServer

from marquee.audit.checking import fsck
from marquee.audit.errors import (
    ImmutableError,
    LockedError,
    MissingError,
    StoreError,
    StoreFullError,
    StoreRefusedError,
    WriteLostError,
)
from marquee.audit.log import AuditLog
from marquee.audit.store.files import Files, store_error
from marquee.audit.store.objects import BucketStore
from marquee.audit.store.port import Store
from marquee.audit.store.posix import TEMPORARY, FolderStore
from tests.support.audit.logs import KEYS, ORIGIN, PUBLIC, entries, filled


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Endpoint of a local S3 with a bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="audit")
    yield endpoint
    fsspec.filesystem("s3").clear_instance_cache()
    server.stop()


def bucket(endpoint: str, prefix: str) -> BucketStore:
    return BucketStore(f"s3://audit/{prefix}", endpoint_url=endpoint, key="a", secret="b", skip_instance_cache=True)


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind, empty."""
    if request.param == "folder":
        return FolderStore(tmp_path / "log")
    if request.param == "memory":
        return BucketStore(f"memory://{uuid4()}")
    return bucket(request.getfixturevalue("s3"), str(uuid4()))


def test_files_are_there_once_created(store: Store) -> None:
    """In folders that are made on the way."""
    store.claim()
    store.create({"a/b/one": b"1", "a/two": b"2"})
    store.replace("three", b"3")
    assert [store.read(path) for path in ("a/b/one", "a/two", "three")] == [b"1", b"2", b"3"]
    assert store.paths() == ["a/b/one", "a/two", "three"]
    assert store.paths("a/b") == ["a/b/one"]
    assert store.paths("nothing") == []


def test_what_was_created_does_not_change(store: Store) -> None:
    """The same again is harmless."""
    store.claim()
    store.create({"one": b"1"})
    store.create({"one": b"1"})
    with pytest.raises(ImmutableError, match=r"one: exists with other content; .*fsck"):
        store.create({"one": b"2"})
    assert store.read("one") == b"1"


def test_what_is_replaced_changes_whole(store: Store) -> None:
    """And what is removed is gone, also twice."""
    store.claim()
    store.replace("one", b"1")
    store.replace("one", b"22")
    assert store.read("one") == b"22"
    store.remove(["one", "never"])
    with pytest.raises(MissingError, match=r"one: is not there"):
        store.read("one")


def test_a_log_is_the_same_in_any_store(store: Store) -> None:
    """Appended, signed, opened again, checked."""
    log = filled(store, 300)
    log.append(entries(303)[300:])
    log.close()
    assert fsck(store, ORIGIN, PUBLIC).findings == []
    again = AuditLog(store, KEYS)
    assert again.size == 303
    assert again.entry(299) == entries(300)[299]
    again.close()


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    """The second is refused until the first has gone."""
    first = AuditLog(FolderStore(tmp_path), KEYS)
    with pytest.raises(LockedError, match=r"is written by another process; end it first"):
        AuditLog(FolderStore(tmp_path), KEYS)
    first.close()
    AuditLog(FolderStore(tmp_path), KEYS).close()


def test_in_a_bucket_the_newest_writer_wins() -> None:
    """What the older one appends afterwards is not acknowledged, and nothing that was is lost."""
    uri = f"memory://{uuid4()}"
    old = filled(BucketStore(uri), 3)
    old.append(entries(4)[3:])
    new = AuditLog(BucketStore(uri), KEYS)
    assert new.size == 4
    with pytest.raises(LockedError, match=r"another process took over after claim 1"):
        old.append(entries(5)[4:])
    with pytest.raises(LockedError):
        old.checkpoint()
    with pytest.raises(StoreError):
        new.append([entries(6)[5], entries(5)[4]])  # the older one's group is in the way: it is found and kept
    assert new.append(entries(5)[4:]) == [4]
    assert new.append(entries(6)[5:]) == [5]
    new.close()
    assert fsck(BucketStore(uri), ORIGIN, PUBLIC).findings == []


def test_a_bucket_that_refuses_is_told(s3: str) -> None:
    """No such bucket, no such host."""
    store = BucketStore("s3://nobody/x", endpoint_url=s3, key="a", secret="b", skip_instance_cache=True)
    with pytest.raises(StoreError, match=r"x|claims"):
        AuditLog(store, KEYS)


def test_a_bucket_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which right is missing."""
    store = BucketStore(f"memory://{uuid4()}")
    log = filled(store, 1)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(store._system, "pipe_file", refuse)
    with pytest.raises(StoreRefusedError, match=r"pending/.*the bucket refuses \(Access Denied\); give this process"):
        log.append(entries(2)[1:])
    monkeypatch.undo()
    assert log.append(entries(2)[1:]) == [1]


def test_a_bucket_that_returns_something_else_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put is read back."""
    store = BucketStore(f"memory://{uuid4()}")
    monkeypatch.setattr(store._system, "cat_file", lambda *_: b"other")
    with pytest.raises(WriteLostError):
        store.replace("one", b"1")


class _Flipping(Files):
    """A disk that changes a bit of what it reads."""

    def read(self, descriptor: int, count: int) -> bytes:
        content = super().read(descriptor, count)
        return bytes([content[0] ^ 1]) + content[1:] if content else content


def test_a_flipped_bit_is_found_before_anything_is_acknowledged(tmp_path: Path) -> None:
    """One such bit ended a log of Certificate Transparency."""
    with pytest.raises(WriteLostError, match=r"was read back differently from what was written; look at the disk"):
        FolderStore(tmp_path, _Flipping()).replace("one", b"1")


def test_temporary_files_are_not_there(tmp_path: Path) -> None:
    """What an interrupted writer left is not listed, and is written over."""
    store = FolderStore(tmp_path)
    (tmp_path / f"{TEMPORARY}one").write_bytes(b"half of a much longer content")
    assert store.paths() == []
    store.replace("one", b"1")
    assert store.read("one") == b"1"


def test_a_path_that_leaves_the_log_is_refused(tmp_path: Path) -> None:
    """Whatever named it."""
    with pytest.raises(StoreError, match=r"\.\./x"):
        FolderStore(tmp_path / "log").read("../x")


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, StoreFullError, "no space left"),
        (errno.EDQUOT, StoreFullError, "make space"),
        (errno.EROFS, StoreRefusedError, "give this process the right to"),
        (errno.EIO, StoreError, "may be sent again as it was"),
    ],
)
def test_errors_of_the_system_say_what_to_do(number: int, kind: type[StoreError], words: str) -> None:
    """By what they are."""
    error = store_error(OSError(number, os.strerror(number)), "tile/0/000")
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("tile/0/000: ")
