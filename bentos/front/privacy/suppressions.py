"""Whom a model must not decide about: hashes in one sorted array, and a file of them that outlives the process.

A million subjects take 8 MB; a look-up is a search by halves. The file begins with the list's revision and a checksum.
It lies beside the spool and is replaced by renaming, so a process that is killed leaves the one before.
"""

from __future__ import annotations

import logging
import sys
import zlib
from array import array
from bisect import bisect_left
from pathlib import Path
from typing import Final

import numpy as np

from marquee.contract.assignment import UNIT_HASH_BYTES

log = logging.getLogger(__name__)

FILE_NAME: Final = "suppressions"
_MAGIC: Final = b"mqs1"
_HEAD_BYTES: Final = len(_MAGIC) + 4 + 8


class Suppressions:
    """The list as it is known. One thread replaces it; any may ask."""

    def __init__(self) -> None:
        self._units = array("Q")
        self.revision: int | None = None
        """Of the ledger's list; None: it was never read."""
        self.read_at = 0.0
        """When the ledger was heard last, in seconds since 1970; 0: never."""

    def __len__(self) -> int:
        return len(self._units)

    def __contains__(self, unit: bytes) -> bool:
        """Whether a unit is on it, by its hash of 8 bytes."""
        units = self._units
        if not units:
            return False
        value = int.from_bytes(unit, "big")
        place = bisect_left(units, value)
        return place < len(units) and units[place] == value

    @property
    def known(self) -> bool:
        """Whether it was ever read, by this process or by the one before it in the pod."""
        return self.revision is not None

    def replace(self, revision: int, units: array[int]) -> None:
        """Go by this list, of 64-bit integers, from now on; its order does not matter."""
        self._units = array("Q", np.sort(np.frombuffer(units, dtype=np.uint64)).tobytes())
        self.revision = revision

    def save(self, folder: Path) -> None:
        """Keep it in a folder, where `load` finds it. Raises OSError."""
        units = array("Q", self._units)
        if sys.byteorder == "little":
            units.byteswap()
        body = (self.revision or 0).to_bytes(8, "big") + units.tobytes()
        unfinished = folder / f"{FILE_NAME}.new"
        unfinished.write_bytes(_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body)
        unfinished.rename(folder / FILE_NAME)

    def load(self, folder: Path) -> None:
        """Take over what a process before has kept, if it did and the file is whole."""
        try:
            raw = (folder / FILE_NAME).read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("the list of suppressed subjects cannot be read back: %s", error)
            return
        body = raw[len(_MAGIC) + 4 :]
        checksum = raw[len(_MAGIC) : len(_MAGIC) + 4]
        if (
            len(raw) < _HEAD_BYTES
            or not raw.startswith(_MAGIC)
            or checksum != zlib.crc32(body).to_bytes(4, "big")
            or len(body) % UNIT_HASH_BYTES
        ):
            log.error("the file %s is torn; the list is asked for anew", FILE_NAME)
            return
        units = array("Q")
        units.frombytes(body[8:])
        if sys.byteorder == "little":
            units.byteswap()
        self._units, self.revision = units, int.from_bytes(body[:8], "big")
