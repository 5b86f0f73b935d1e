"""A log in a folder: every write goes to a temporary file, to the disk, to its name, and is read back from the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from marquee.audit.errors import ImmutableError, LockedError, MissingError, WriteLostError
from marquee.audit.store.files import Files, store_error

TEMPORARY: Final = ".writing-"
"""Begins the name of a file that is not there for good yet."""
_LOCK: Final = ".lock"
_CHUNK_BYTES: Final = 1 << 20


class FolderClaim:
    """A lock that the kernel gives back when the process ends, however it ends."""

    def __init__(self, files: Files, descriptor: int) -> None:
        self._files = files
        self._descriptor: int | None = descriptor

    def check(self) -> None:
        """Nobody can take it away."""

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._files.close(self._descriptor)
            self._descriptor = None


class FolderStore:
    """Files below one folder of a local disk."""

    def __init__(self, root: Path | str, files: Files | None = None) -> None:
        self.root = os.path.abspath(root)  # noqa: PTH100 - paths are texts here
        self._files = files or Files()
        self._settled: set[str] = set()
        """Folders whose names this process has flushed."""

    def read(self, path: str) -> bytes:
        """See `Store.read`."""
        try:
            return self._content(self._full(path))
        except OSError as error:
            raise store_error(error, path) from error

    def create(self, files: Mapping[str, bytes]) -> None:
        """See `Store.create`. All files share one flush of each folder."""
        for path, content in files.items():
            self._require_same(path, content)
        self._write(files)

    def replace(self, path: str, content: bytes) -> None:
        """See `Store.replace`."""
        self._write({path: content})

    def remove(self, paths: Iterable[str]) -> None:
        """See `Store.remove`. It is not flushed: what comes back after a power cut is removed once more."""
        for path in paths:
            try:
                self._files.unlink(self._full(path))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise store_error(error, path) from error

    def paths(self, prefix: str = "") -> list[str]:
        """See `Store.paths`. What begins with a dot is not there for good."""
        found: list[str] = []
        waiting = [prefix.rstrip("/")]
        while waiting:
            folder = waiting.pop()
            try:
                names = self._files.list(self._full(folder))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise store_error(error, folder) from error
            for name, is_folder in names:
                path = f"{folder}/{name}" if folder else name
                if is_folder:
                    waiting.append(path)
                elif not name.startswith("."):
                    found.append(path)
        return sorted(found)

    def claim(self) -> FolderClaim:
        """See `Store.claim`."""
        try:
            self._make_root(self.root)
            descriptor = self._files.open(self._full(_LOCK), os.O_RDWR | os.O_CREAT)
            try:
                self._files.lock(descriptor)
            except OSError:
                self._files.close(descriptor)
                raise
        except BlockingIOError:
            what = "is written by another process"
            raise LockedError(self.root, what, "end it first; a log has one writer") from None
        except OSError as error:
            raise store_error(error, _LOCK) from error
        return FolderClaim(self._files, descriptor)

    def _write(self, files: Mapping[str, bytes]) -> None:
        flushing: set[str] = set()
        try:
            for path, content in files.items():
                self._make_folders(flushing, path.rpartition("/")[0])
                self._write_temporary(path, content)
            for path in files:
                self._files.rename(self._temporary(path), self._full(path))
                flushing.add(path.rpartition("/")[0])
            for folder in sorted(flushing):
                self._flush(self._full(folder))
            self._settled |= {path.rpartition("/")[0] for path in files}
            for path, content in files.items():
                self._require_written(path, content)
        except OSError as error:
            raise store_error(error, next(iter(files))) from error

    def _write_temporary(self, path: str, content: bytes) -> None:
        descriptor = self._files.open(self._temporary(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[self._files.write(descriptor, bytes(rest)) :]
            self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)

    def _make_folders(self, flushing: set[str], folder: str) -> None:
        """Make a folder and those above it; its name is durable once the folder that has it is flushed.

        That one exists says nothing: whoever made it may have been interrupted before the flush.
        """
        if folder in self._settled:
            return
        above = folder.rpartition("/")[0]
        if folder:
            self._make_folders(flushing, above)
            flushing.add(above)
        with suppress(FileExistsError):
            self._files.mkdir(self._full(folder))

    def _make_root(self, folder: str) -> None:
        """Make the log's own folder and those above it, and flush the name of each that may be new."""
        above = os.path.dirname(folder)  # noqa: PTH120 - paths are texts here
        try:
            self._files.mkdir(folder)
        except FileExistsError:
            if folder != self.root:
                return
        except FileNotFoundError:
            self._make_root(above)
            self._files.mkdir(folder)
        self._flush(above)

    def _flush(self, folder: str) -> None:
        descriptor = self._files.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)

    def _require_same(self, path: str, content: bytes) -> None:
        """What exists may only be written again as it is: a flush that failed is made good by new pages."""
        try:
            existing = self.read(path)
        except MissingError:
            return
        if existing != content:
            what = "exists with other content"
            raise ImmutableError(path, what, "run fsck; two writers, or a disk that changed what it had")

    def _require_written(self, path: str, content: bytes) -> None:
        if self._content(self._full(path), from_disk=True) != content:
            what = "was read back differently from what was written"
            raise WriteLostError(path, what, "look at the disk and the memory of this machine")

    def _content(self, full: str, *, from_disk: bool = False) -> bytes:
        descriptor = self._files.open(full, os.O_RDONLY)
        try:
            if from_disk:
                self._files.forget(descriptor)
            parts = []
            while part := self._files.read(descriptor, _CHUNK_BYTES):
                parts.append(part)
            return b"".join(parts)
        finally:
            self._files.close(descriptor)

    def _temporary(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        return self._full(f"{folder}/{TEMPORARY}{name}" if folder else TEMPORARY + name)

    def _full(self, path: str) -> str:
        if ".." in path.split("/"):
            raise OSError(errno.EINVAL, "a path that leaves the log")
        return f"{self.root}/{path}" if path else self.root
