"""The calls of the operating system that a folder's store is made of.

They are behind one object so that tests can let each of them fail, or end the process there.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

from marquee.audit.errors import MissingError, StoreError, StoreFullError, StoreRefusedError

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
_REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


class Files:
    """System calls by their names."""

    def open(self, path: str, flags: int) -> int:
        """A file descriptor."""
        return os.open(path, flags | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, content: bytes) -> int:
        """Number of bytes that were taken."""
        return os.write(descriptor, content)

    def read(self, descriptor: int, count: int) -> bytes:
        """At most so many bytes; none at the end."""
        return os.read(descriptor, count)

    def fsync(self, descriptor: int) -> None:
        """Wait until the disk has it."""
        os.fsync(descriptor)

    def forget(self, descriptor: int) -> None:
        """Drop what the page cache has of a file, so that the next read asks the disk."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Replace the target in one step."""
        os.replace(source, target)  # noqa: PTH105 - the system call, by its name

    def unlink(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)  # noqa: PTH108 - the system call, by its name

    def mkdir(self, path: str) -> None:
        """Make one folder."""
        os.mkdir(path)  # noqa: PTH102 - the system call, by its name

    def list(self, path: str) -> list[tuple[str, bool]]:
        """Names in a folder, and whether each is a folder itself."""
        with os.scandir(path) as found:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]

    def lock(self, descriptor: int) -> None:
        """Take the lock that the kernel gives back when this process ends; BlockingIOError when another has it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def store_error(error: OSError, path: str) -> StoreError:
    """An error of the operating system in words of the log."""
    what = os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, FileNotFoundError):
        return MissingError(path, "is not there", "restore it from a copy of the log")
    if error.errno in _FULL:
        return StoreFullError(
            path, f"there is no space left ({what})", "make space; nothing is acknowledged until then"
        )
    if error.errno in _REFUSED:
        return StoreRefusedError(path, f"may not be written or read ({what})", "give this process the right to")
    return StoreError(path, f"the store failed ({what})", "look at the disk; the entry may be sent again as it was")
