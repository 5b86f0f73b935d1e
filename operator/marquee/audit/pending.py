"""Groups of entries that are durable, and acknowledged, but in no checkpoint yet.

A group is one file that is written once: ``pending/<index of its first entry>``. Its first line has the number of its
bytes and their SHA-256; the rest is an entry bundle of any length. A file that is shorter than it says was never
written whole; on a store that writes files whole that does not happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from marquee.audit.errors import DamagedError, FormatError
from marquee.audit.tiles import decode_bundle, encode_bundle

FOLDER: Final = "pending"
_MAGIC: Final = b"marquee-pending-v1"
_HEADER_BYTES: Final = len(_MAGIC) + 1 + 10 + 1 + 64 + 1


class TornError(DamagedError):
    """The end of a group is missing."""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that were acknowledged together."""

    start: int
    entries: Sequence[bytes]

    @property
    def path(self) -> str:
        """The file of the group; names sort as numbers do."""
        return f"{FOLDER}/{self.start:020d}"

    @property
    def end(self) -> int:
        """Index behind the last entry."""
        return self.start + len(self.entries)


def encode_group(group: Group) -> bytes:
    """The content of its file."""
    body = encode_bundle(group.entries)
    return b"%s %010d %s\n%s" % (_MAGIC, len(body), sha256(body).hexdigest().encode(), body)


def decode_group(path: str, content: bytes) -> Group:
    """A group from its file.

    Raises:
        TornError: it ends too early: it was not written whole, so nobody was told that it is there.
        DamagedError: it is as long as it should be, and differs from what was written.

    """
    name = path.rpartition("/")[2]
    header, body = content[:_HEADER_BYTES], content[_HEADER_BYTES:]
    if len(header) < _HEADER_BYTES:
        raise TornError(path, "ends within its header", "it was never acknowledged; opening the log puts it aside")
    magic, length, digest = header[:-1].split(b" ") if header.count(b" ") == 2 else (b"", b"", b"")
    if magic != _MAGIC or not length.isdigit() or header[-1:] != b"\n" or not name.isdigit():
        raise DamagedError(path, "is no group of entries", "restore it from a copy: it may have been acknowledged")
    if len(body) < int(length):
        raise TornError(path, f"has {len(body)} of {int(length)} bytes", "opening the log puts it aside")
    if len(body) != int(length) or sha256(body).hexdigest().encode() != digest:
        raise DamagedError(path, "differs from what was written", "restore it from a copy: it was acknowledged")
    try:
        return Group(int(name), decode_bundle(body, path))
    except FormatError as error:
        raise DamagedError(path, error.what, "restore it from a copy") from error
