"""The artifact cache: what it accepts, what it refuses, and what crashes and tampering leave behind."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.front.artifact import ArtifactCache, verify
from bentos.front.failures import CannotServeError
from bentos.front.sources import Source, source_of
from marquee.contract.manifest import MANIFEST_NAME, Manifest, NumberField
from marquee.contract.pod import FailureReason
from tests.unit.front.artifacts import linear_graph, write_artifact

FILES = {"model.onnx": linear_graph([2.0, 3.0]), "data/table.csv": b"a,b\n" * 1_000}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifact"


@pytest.fixture
def cache(tmp_path: Path) -> ArtifactCache:
    return ArtifactCache(tmp_path / "cache")


def opener(folder: Path) -> Callable[[], Source]:
    return lambda: source_of(str(folder), pvc_root=Path("/nowhere"))


def nowhere() -> Source:
    raise AssertionError("the source must not be opened")


def refused(cache: ArtifactCache, folder: Path, digest: str) -> CannotServeError:
    with pytest.raises(CannotServeError) as error:
        cache.ensure(digest, opener(folder))
    assert not (cache.root / "sha256" / digest.removeprefix("sha256:")).exists()
    assert list((cache.root / "staging").glob("*")) == []
    return error.value


def test_an_artifact_is_copied_once(cache: ArtifactCache, folder: Path) -> None:
    """After the first time the source is not touched again, not even opened."""
    digest = write_artifact(folder, files=FILES)
    artifact = cache.ensure(digest, opener(folder))
    assert artifact.folder == cache.root / "sha256" / digest.removeprefix("sha256:")
    for path, content in FILES.items():
        assert (artifact.folder / path).read_bytes() == content
    shutil.rmtree(folder)
    assert cache.ensure(digest, nowhere) == artifact


def test_another_manifest_than_the_revision_names_is_refused(cache: ArtifactCache, folder: Path) -> None:
    """The digest of the manifest is checked before anything in it is believed."""
    write_artifact(folder)
    error = refused(cache, folder, "sha256:" + "0" * 64)
    assert error.reason is FailureReason.DIGEST_MISMATCH
    assert "the revision names sha256:0000" in error.message


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda raw: raw[:-1] + b"X", FailureReason.DIGEST_MISMATCH, "sha256"),
        (lambda raw: raw + b"X", FailureReason.DIGEST_MISMATCH, "more than"),
        (lambda raw: raw[:-1], FailureReason.DIGEST_MISMATCH, "bytes instead of"),
        (lambda _: b"", FailureReason.ARTIFACT_EMPTY, "0 bytes"),
    ],
)
def test_a_changed_file_is_refused(
    cache: ArtifactCache, folder: Path, spoil: Callable[[bytes], bytes], reason: FailureReason, words: str
) -> None:
    """One flipped, added or missing byte of any file is found, and the file is named."""
    digest = write_artifact(folder, files=FILES)
    path = folder / "data/table.csv"
    path.write_bytes(spoil(path.read_bytes()))
    error = refused(cache, folder, digest)
    assert error.reason is reason
    assert "data/table.csv" in error.message
    assert words in error.message


def test_a_manifest_of_zero_bytes_is_an_empty_artifact(cache: ArtifactCache, folder: Path) -> None:
    """An export that died at its first write is called empty."""
    digest = write_artifact(folder)
    (folder / MANIFEST_NAME).write_bytes(b"")
    assert refused(cache, folder, digest).reason is FailureReason.ARTIFACT_EMPTY


@pytest.mark.parametrize("gone", [MANIFEST_NAME, "data/table.csv"])
def test_a_missing_file_is_unreachable(cache: ArtifactCache, folder: Path, gone: str) -> None:
    """A file that is not there is named with the URI."""
    digest = write_artifact(folder, files=FILES)
    (folder / gone).unlink()
    error = refused(cache, folder, digest)
    assert error.reason is FailureReason.ARTIFACT_UNREACHABLE
    assert str(folder) in error.message
    assert gone in error.message


def many_features(document: dict[str, Any]) -> None:
    document["inputs"] = [{"name": f"f{index}", "kind": "number"} for index in range(5_000)]


def spoiled(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.__setitem__(key, value)


def renamed_file(path: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["files"][path] = document["files"]["model.onnx"]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (many_features, "inputs: Tuple should have at most 2000 items"),
        (spoiled("noSuchField", 2), "noSuchField"),
        (spoiled("formatVersion", 2), "formatVersion"),
        (spoiled("inputs", []), "inputs"),
        (renamed_file("../outside"), "../outside"),
        (renamed_file("/etc/passwd"), "/etc/passwd"),
        (renamed_file("a/../../outside"), "a/../../outside"),
        (renamed_file("./manifest.json"), "./manifest.json"),
        (renamed_file("manifest.json/x"), "manifest.json/x"),
        (renamed_file("a//b"), "a//b"),
        (renamed_file("name\n"), "name"),
    ],
)
def test_an_invalid_manifest_is_refused(
    cache: ArtifactCache, folder: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    """Too many features, unknown fields and paths that leave the artifact are named."""
    digest = write_artifact(folder, change=change)
    error = refused(cache, folder, digest)
    assert error.reason is FailureReason.MANIFEST_INVALID
    assert words in error.message
    assert not (folder.parent / "outside").exists()


def test_a_manifest_without_end_is_not_read(cache: ArtifactCache, folder: Path) -> None:
    """Reading stops at the limit, whatever the storage would still send."""
    folder.mkdir()
    (folder / MANIFEST_NAME).write_bytes(b" " * (5 * 2**20))
    assert refused(cache, folder, "sha256:" + "0" * 64).reason is FailureReason.MANIFEST_INVALID


def test_two_thousand_features_are_accepted(cache: ArtifactCache, folder: Path) -> None:
    """The limit itself is allowed."""
    fields = [NumberField(name=f"f{index}") for index in range(2_000)]
    digest = write_artifact(folder, inputs=fields, files={"model.onnx": linear_graph([0.0] * 2_000)})
    assert len(cache.ensure(digest, opener(folder)).manifest.inputs) == 2_000


class Crash(BaseException):
    """Stands for a process that ends in the middle of a write."""


def test_a_crash_in_the_middle_leaves_nothing_that_is_trusted(
    cache: ArtifactCache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill between two files the next start copies everything again."""
    digest = write_artifact(folder, files=FILES)
    chunks = Source.chunks

    def dying(self: Source, path: str) -> Iterator[bytes]:
        for chunk in chunks(self, path):
            if path == "model.onnx":
                yield chunk[:10]
                raise Crash
            yield chunk

    with monkeypatch.context() as patch:
        patch.setattr(Source, "chunks", dying)
        patch.setattr("bentos.front.artifact.shutil.rmtree", lambda *_, **__: None)  # nobody tidies up
        with pytest.raises(Crash):
            cache.ensure(digest, opener(folder))
    assert (cache.root / "staging" / digest.removeprefix("sha256:") / "data/table.csv").exists()
    assert not (cache.root / "sha256").exists()
    artifact = cache.ensure(digest, opener(folder))
    assert (artifact.folder / "model.onnx").read_bytes() == FILES["model.onnx"]
    assert list((cache.root / "staging").iterdir()) == []


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "manifest"])
def test_a_damaged_cache_is_replaced(cache: ArtifactCache, folder: Path, damage: str) -> None:
    """What lies under a digest's name is checked at every start, and copied anew when it does not fit."""
    digest = write_artifact(folder, files=FILES)
    cached = cache.ensure(digest, opener(folder)).folder
    if damage == "changed":
        (cached / "model.onnx").write_bytes(b"x" * len(FILES["model.onnx"]))
    elif damage == "missing":
        (cached / "model.onnx").unlink()
    elif damage == "added":
        (cached / "sitecustomize.py").write_text("raise SystemExit", encoding="utf-8")
    else:
        (cached / MANIFEST_NAME).write_bytes(b"{}")
    assert cache.ensure(digest, opener(folder)).folder == cached
    assert verify(cached, digest).manifest.model == "fixture"
    assert not (cached / "sitecustomize.py").exists()


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A cache path that is no folder is named, with what it needs."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotServeError) as error:
        ArtifactCache(tmp_path / "file").ensure("sha256:" + "0" * 64, nowhere)
    assert "writable volume" in error.value.message


def _ensure(root: Path, folder: Path, digest: str, barrier: Any, results: Any) -> None:
    barrier.wait()
    artifact = ArtifactCache(root).ensure(digest, opener(folder))
    results.put((os.getpid(), str(verify(artifact.folder, digest).folder)))


def test_processes_may_share_a_cache(tmp_path: Path, folder: Path) -> None:
    """Four processes that want the same artifact at the same moment all get it, whole."""
    digest = write_artifact(folder, files=FILES | {"big.bin": os.urandom(4 * 2**20)})
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    arguments = (tmp_path / "cache", folder, digest, barrier, results)
    processes = [context.Process(target=_ensure, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert len({pid for pid, _ in answers}) == 4
    assert len({path for _, path in answers}) == 1
    assert Manifest.model_validate_json((Path(answers[0][1]) / MANIFEST_NAME).read_bytes())
