"""Where an artifact goes: a local folder, a mounted claim, or whatever fsspec can write.

An artifact appears at once or not at all: locally a finished folder is renamed into place, elsewhere the manifest,
without which nothing is an artifact, is written last.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from marquee.contract.manifest import MANIFEST_NAME
from marquee.contract.pod import PVC_MOUNT_ROOT
from marquee.contract.training import TrainingError, TrainingFailureReason


class Destination(Protocol):
    """One place that can hold one artifact."""

    @property
    def uri(self) -> str:
        """What a `ModelRevision` says to find it."""

    def names(self) -> list[str]:
        """What lies there now."""

    def read(self, name: str) -> bytes:
        """One of these files."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Replace whatever lies there with these files, the manifest among them."""


def destination_of(out: str, *, pvc_root: Path = Path(PVC_MOUNT_ROOT), setting: str = "--out") -> Destination:
    """The destination that a path or URI names.

    Args:
        out: the path or URI.
        pvc_root: where claims are mounted.
        setting: where a person gave it, for the words of an error.

    Raises:
        TrainingError: ``ArgumentsInvalid`` when it names none.

    """
    scheme, separator, rest = out.partition("://")
    if not separator:
        return LocalFolder(Path(out).absolute(), pvc_root)
    if scheme == "file":
        return LocalFolder(Path(unquote(urlsplit(out).path)).absolute(), pvc_root)
    if scheme == "pvc":
        claim, _, path = rest.partition("/")
        if not claim or not path or ".." in PurePosixPath(path).parts:
            raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, f"{setting} {out}: use pvc://CLAIM/PATH")
        return LocalFolder(pvc_root / claim / path, pvc_root)
    return _remote(out, setting)


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine, or of a claim that is mounted below ``pvc_root``."""

    folder: Path
    pvc_root: Path

    @property
    def uri(self) -> str:
        """``pvc://CLAIM/PATH`` on a mounted claim, else ``file:///PATH``."""
        if self.folder.is_relative_to(self.pvc_root) and self.folder != self.pvc_root:
            return f"pvc://{self.folder.relative_to(self.pvc_root).as_posix()}"
        return self.folder.as_uri()

    def names(self) -> list[str]:
        """Files and folders; none where there is no folder yet."""
        if not self.folder.exists():
            return []
        return sorted(entry.name for entry in self.folder.iterdir())

    def read(self, name: str) -> bytes:
        """One file."""
        return (self.folder / name).read_bytes()

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write beside the folder, then rename; an older artifact comes back when that fails."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
        new, old = staging / "new", staging / "old"
        try:
            self._fill(new, files)
            if self.names():
                self.folder.replace(old)
            try:
                new.replace(self.folder)
            except OSError:
                if old.exists():
                    old.replace(self.folder)
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @staticmethod
    def _fill(folder: Path, files: Mapping[str, bytes]) -> None:
        folder.mkdir(mode=0o755)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _remote(out: str, setting: str) -> Destination:
    try:
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(out)
    except (ImportError, ValueError) as error:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID, f"{setting} {out}: no client for this scheme: {error}"
        ) from error
    return RemoteFolder(out.rstrip("/"), filesystem, root.rstrip("/"))


@dataclass(frozen=True)
class RemoteFolder:
    """A prefix on a storage that fsspec knows."""

    uri: str
    filesystem: Any
    root: str

    def names(self) -> list[str]:
        """Objects and prefixes below the root."""
        with _as_os_error(self.uri):
            try:
                paths = self.filesystem.ls(self.root, detail=False)
            except FileNotFoundError:
                return []
            return sorted(PurePosixPath(path).name for path in paths)

    def read(self, name: str) -> bytes:
        """One object."""
        with _as_os_error(self.uri):
            return bytes(self.filesystem.cat_file(f"{self.root}/{name}"))

    def write(self, files: Mapping[str, bytes]) -> None:
        """Remove what lies there, manifest first; write the new files, manifest last."""
        occupied = bool(self.names())
        with _as_os_error(self.uri):
            if occupied:
                self.filesystem.rm(f"{self.root}/{MANIFEST_NAME}")
                self.filesystem.rm(self.root, recursive=True)
            self.filesystem.makedirs(self.root, exist_ok=True)
            for name in sorted(files, key=lambda name: (name == MANIFEST_NAME, name)):
                self.filesystem.pipe_file(f"{self.root}/{name}", files[name])


@contextmanager
def _as_os_error(uri: str) -> Iterator[None]:
    """Each client has exceptions of its own; whoever writes an artifact needs to know one."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{uri}: {type(error).__name__}: {error}") from error
