"""Where artifacts go: all of it or nothing, under the URI that a predictor will be given."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from marquee.contract.manifest import MANIFEST_NAME
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.destination import LocalFolder, RemoteFolder, destination_of

FILES = {MANIFEST_NAME: b"{}", "model.onnx": b"graph", "sub/table.json": b"[]"}


def test_a_folder_is_named_by_its_file_uri(tmp_path: Path) -> None:
    """A relative path means the folder that it means now."""
    destination = destination_of(str(tmp_path / "a b"))
    assert destination.uri == (tmp_path / "a b").as_uri()
    assert destination_of(destination.uri) == destination


def test_a_folder_on_a_mounted_claim_is_named_by_its_claim(tmp_path: Path) -> None:
    """By path or by URI, a trainer's result is what the predictor can mount."""
    by_path = destination_of(str(tmp_path / "models" / "leads" / "r1"), pvc_root=tmp_path)
    by_uri = destination_of("pvc://models/leads/r1", pvc_root=tmp_path)
    assert by_path == by_uri
    assert by_uri.uri == "pvc://models/leads/r1"


@pytest.mark.parametrize("out", ["pvc://models", "pvc:///x", "pvc://models/../other", "nonsense://bucket/x"])
def test_an_address_without_meaning_is_refused(out: str) -> None:
    """The error repeats what was given."""
    with pytest.raises(TrainingError, match="--out") as caught:
        destination_of(out)
    assert caught.value.failure.reason is TrainingFailureReason.ARGUMENTS_INVALID
    assert out in str(caught.value)


def test_files_appear_with_their_folders(tmp_path: Path) -> None:
    """Written into a folder that does not exist, then read back; nothing else is left beside it."""
    destination = destination_of(str(tmp_path / "new" / "artifact"))
    assert destination.names() == []
    destination.write(FILES)
    assert {name: destination.read(name) for name in FILES} == FILES
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["artifact"]
    assert (tmp_path / "new" / "artifact").stat().st_mode & 0o055 == 0o055


def test_an_older_artifact_is_replaced_whole(tmp_path: Path) -> None:
    """No file of the older one stays."""
    destination = destination_of(str(tmp_path / "artifact"))
    destination.write({MANIFEST_NAME: b"{}", "old.bin": b"x"})
    destination.write(FILES)
    assert destination.names() == [MANIFEST_NAME, "model.onnx", "sub"]


def test_a_write_that_fails_leaves_the_older_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rename into place fails after the older artifact was moved aside: it is moved back."""
    destination = destination_of(str(tmp_path / "artifact"))
    destination.write({MANIFEST_NAME: b"old"})
    replace = Path.replace

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_for_new)
    with pytest.raises(OSError, match="no space"):
        destination.write(FILES)
    assert destination.read(MANIFEST_NAME) == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["artifact"]


def test_an_object_store_gets_the_manifest_last() -> None:
    """Over any fsspec client: without a manifest a half-written prefix is no artifact."""
    destination = destination_of("memory://bucket/leads/r1")
    assert isinstance(destination, RemoteFolder)
    written: list[str] = []
    filesystem = fsspec.filesystem("memory")
    watched = RemoteFolder(destination.uri, Recording(filesystem, written), destination.root)
    assert watched.names() == []
    watched.write(FILES)
    assert written[-1].endswith(MANIFEST_NAME)
    assert len(written) == len(FILES)
    assert destination.names() == [MANIFEST_NAME, "model.onnx", "sub"]
    destination.write({MANIFEST_NAME: b"new"})
    assert destination.names() == [MANIFEST_NAME]
    assert destination.read(MANIFEST_NAME) == b"new"


class Recording:
    """A filesystem that notes what is written."""

    def __init__(self, filesystem: fsspec.AbstractFileSystem, written: list[str]) -> None:
        self._filesystem, self._written = filesystem, written

    def __getattr__(self, name: str) -> object:
        return getattr(self._filesystem, name)

    def pipe_file(self, path: str, content: bytes) -> None:
        """Write, and note."""
        self._written.append(path)
        self._filesystem.pipe_file(path, content)


class Broken:
    """A client whose every call fails with an exception of its own."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"{name}: no credentials")


def test_a_clients_own_exceptions_become_os_errors() -> None:
    """Whoever writes an artifact need not know each client's exceptions."""
    with pytest.raises(OSError, match=r"s3://bucket/x: RuntimeError: ls: no credentials"):
        RemoteFolder("s3://bucket/x", Broken(), "bucket/x").names()


def test_the_root_of_all_claims_is_no_claim(tmp_path: Path) -> None:
    """Its URI would name no claim, so it stays a file URI."""
    assert LocalFolder(tmp_path, tmp_path).uri == tmp_path.as_uri()
