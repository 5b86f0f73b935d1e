"""A disk in memory that does what POSIX promises and no more, and files whose n-th call fails.

What was not flushed may be lost, kept or cut when the power fails, each name and each file by itself.
"""

from __future__ import annotations

import errno
import os
import random
from copy import deepcopy
from dataclasses import dataclass, field

from marquee.audit.store.files import Files


@dataclass
class Inode:
    """A file: what a reader sees, and what the disk has."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""


@dataclass
class _Open:
    path: str
    inode: Inode | None
    position: int = 0


class Disk(Files):
    """Files and folders; paths are absolute."""

    def __init__(self) -> None:
        self.names: dict[str, Inode | None] = {"/": None}
        """What a reader sees; None for a folder."""
        self.durable: dict[str, Inode | None] = {"/": None}
        self.lies = False
        """Whether it says that it flushed and did not."""
        self.limit_bytes: int | None = None
        """A full disk takes no more than this."""
        self._open: dict[int, _Open] = {}
        self._next = 3
        self._locked: set[int] = set()

    def open(self, path: str, flags: int) -> int:
        folder = path.rpartition("/")[0] or "/"
        if path not in self.names:
            if not flags & os.O_CREAT or self.names.get(folder, folder) is not None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            self.names[path] = Inode()
        inode = self.names[path]
        if flags & os.O_TRUNC and inode is not None:
            inode.content.clear()
        self._next += 1
        self._open[self._next] = _Open(path, inode)
        return self._next

    def write(self, descriptor: int, content: bytes) -> int:
        inode = self._inode(descriptor)
        used = sum(len(one.content) for one in self.names.values() if one is not None)
        if self.limit_bytes is not None and used + len(content) > self.limit_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        inode.content += content
        return len(content)

    def read(self, descriptor: int, count: int) -> bytes:
        opened, inode = self._open[descriptor], self._inode(descriptor)
        part = bytes(inode.content[opened.position : opened.position + count])
        opened.position += len(part)
        return part

    def fsync(self, descriptor: int) -> None:
        opened = self._open[descriptor]
        if self.lies:
            return
        if opened.inode is not None:
            opened.inode.durable = bytes(opened.inode.content)
            return
        self.durable = {path: inode for path, inode in self.durable.items() if _folder(path) != opened.path}
        self.durable |= {path: inode for path, inode in self.names.items() if _folder(path) == opened.path}

    def forget(self, descriptor: int) -> None:
        assert descriptor in self._open

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]
        self._locked.discard(descriptor)

    def rename(self, source: str, target: str) -> None:
        self.names[target] = self.names.pop(source)

    def unlink(self, path: str) -> None:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        del self.names[path]

    def mkdir(self, path: str) -> None:
        if path in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if self.names.get(_folder(path), "") is not None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.names[path] = None

    def list(self, path: str) -> list[tuple[str, bool]]:
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return [
            (name.rpartition("/")[2], inode is None)
            for name, inode in self.names.items()
            if _folder(name) == path and name != "/"
        ]

    def lock(self, descriptor: int) -> None:
        if any(self._open[one].path == self._open[descriptor].path for one in self._locked):
            raise BlockingIOError(errno.EAGAIN, "locked")
        self._locked.add(descriptor)

    def ended(self) -> Disk:
        """The disk after the process was killed: all that it wrote is there, its descriptors are not."""
        disk = Disk()
        disk.names, disk.durable = deepcopy((self.names, self.durable))
        return disk

    def after_power_cut(self, chance: random.Random) -> Disk:
        """The disk after the power failed: what was not flushed is there or not."""
        kept: dict[str, Inode | None] = {}
        for path in sorted(self.names.keys() | self.durable.keys(), key=lambda name: (name.count("/"), name)):
            views = [view[path] for view in (self.names, self.durable) if path in view]
            unsettled = self.names.get(path, self) is not self.durable.get(path, self)
            if path != "/" and _folder(path) not in kept:
                continue
            if unsettled and path not in self.durable and chance.random() < 0.5:
                continue
            if unsettled and path not in self.names and chance.random() < 0.5:
                continue
            inode = chance.choice(views)
            kept[path] = None if inode is None else _cut(inode, chance)
        disk = Disk()
        disk.names = kept
        disk.durable = dict(kept)
        return disk

    def _inode(self, descriptor: int) -> Inode:
        inode = self._open[descriptor].inode
        assert inode is not None
        return inode


class Died(BaseException):
    """The process was killed here."""


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call."""

    call: int
    kind: str
    """One of `KINDS`."""


KINDS = ("refused", "failed after", "full", "killed before", "killed after", "short", "killed within")


class Faulty(Files):
    """Files of which one call goes wrong; after a kill, no call does anything any more."""

    def __init__(self, files: Files, fault: Fault | None = None) -> None:
        self._files = files
        self.fault = fault
        self.calls = 0
        self.names: list[str] = []
        self.happened = False
        self._dead = False

    def __getattribute__(self, name: str) -> object:
        if name in {"open", "write", "read", "fsync", "forget", "close", "rename", "unlink", "mkdir", "list", "lock"}:
            return lambda *arguments: self._call(name, *arguments)
        return super().__getattribute__(name)

    def _call(self, name: str, *arguments: object) -> object:
        if self._dead:
            raise Died
        call = getattr(self._files, name)
        self.calls += 1
        self.names.append(name)
        if self.fault is None or self.calls != self.fault.call:
            return call(*arguments)
        self.happened = True
        return self._go_wrong(self.fault.kind, name, call, arguments)

    def _go_wrong(self, kind: str, name: str, call: object, arguments: tuple[object, ...]) -> object:
        assert callable(call)
        if kind == "refused":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if kind == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if kind == "killed before":
            self._dead = True
            raise Died
        if kind in ("short", "killed within"):
            if name != "write":
                self.happened = False
                return call(*arguments)
            descriptor, content = arguments
            assert isinstance(content, bytes)
            written = call(descriptor, content[: len(content) // 2])
            if kind == "short" and written:
                return written
            self._dead = kind == "killed within"
            raise Died if self._dead else OSError(errno.EIO, os.strerror(errno.EIO))
        result = call(*arguments)
        if kind == "killed after":
            self._dead = True
            raise Died
        if name == "open":
            self._files.close(result)
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _cut(inode: Inode, chance: random.Random) -> Inode:
    """A file's content after a power cut: what was flushed, what was not, or a part of it."""
    content = bytes(inode.content)
    if content != inode.durable:
        content = chance.choice([inode.durable, content, content[: chance.randrange(len(content) + 1)]])
    return Inode(bytearray(content), content)
