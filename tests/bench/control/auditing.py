"""Counts the requests of one user from the API server's audit log, whichever library sent them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import orjson

_READS: Final = frozenset({"get", "list", "watch"})
_HEARTBEAT: Final = "leases"
"""The election's renewals depend on how long a run takes, not on what there is to do: told apart."""


@dataclass(frozen=True)
class Requests:
    """Requests between two moments by (verb, resource with subresource)."""

    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def reads(self) -> int:
        """Gets, lists and opened watches, the Lease's not counted."""
        return sum(n for (verb, resource), n in self.by_kind.items() if verb in _READS and resource != _HEARTBEAT)

    @property
    def writes(self) -> int:
        """Everything else, the Lease's renewals not counted."""
        return sum(n for (verb, resource), n in self.by_kind.items() if verb not in _READS and resource != _HEARTBEAT)

    def told(self) -> str:
        """For people: the kinds by frequency."""
        return ", ".join(f"{verb} {resource} {count}" for (verb, resource), count in self.by_kind.most_common())


class AuditLog:
    """Reads the log piece by piece; survives its rotation, since the open file keeps its content when renamed."""

    def __init__(self, path: Path, user: str) -> None:
        self._path = path
        self._user = user.encode()
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._seen: set[str] = set()

    def take(self) -> Requests:
        """The user's requests since the last call."""
        found = Requests()
        while True:
            if self._file is None:
                if not self._path.exists():
                    return found
                self._file = self._path.open("rb")
            rotated = self._path.exists() and self._path.stat().st_ino != _inode(self._file)
            *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
            for line in lines:
                self._count(line, found)
            if not rotated:
                return found
            self._file.close()
            self._file, self._rest = None, b""

    def _count(self, line: bytes, found: Requests) -> None:
        if self._user not in line:
            return
        entry = orjson.loads(line)
        if entry["user"]["username"].encode() != self._user or entry["auditID"] in self._seen:
            return  # a request has a line for each of its stages
        self._seen.add(entry["auditID"])
        reference = entry.get("objectRef") or {}
        resource = reference.get("resource") or entry["requestURI"].partition("?")[0]
        subresource = reference.get("subresource")
        found.by_kind[entry["verb"], f"{resource}/{subresource}" if subresource else resource] += 1


def _inode(file: IO[bytes]) -> int:
    return Path(f"/proc/self/fd/{file.fileno()}").stat().st_ino
