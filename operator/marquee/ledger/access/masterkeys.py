"""Master keys of prediction ids and of data subjects: a folder, as a Secret is mounted, one file a key named by its id.

Predictors issue with the highest id, and the ledger puts subjects under it by and by. To rotate: add a file with the
next id, restart the predictors, and take the old one away when the last outcome that may still come is 90 days old.
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from marquee.contract.prediction import MIN_SECRET_BYTES
from marquee.ledger.errors import SettingsError

_RELOAD_SECONDS: Final = 10.0


class MasterKeys:
    """Keys by id, read again every few seconds when somebody asks.

    Raises:
        SettingsError: there is no usable key, at the start.

    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._keys = _read(folder)
        self._read_at = clock()
        self.broken = ""
        """Why the folder could not be read when it was looked at last; the keys before stay in force."""

    def get(self, key_id: int) -> bytes | None:
        """The key of an id, or None."""
        self._refresh()
        return self._keys.get(key_id)

    def all(self) -> Mapping[int, bytes]:
        """All keys by their ids."""
        self._refresh()
        return self._keys

    def newest(self) -> tuple[int, bytes]:
        """The id and the key that predictors issue with: the highest id."""
        self._refresh()
        return max(self._keys.items())

    def _refresh(self) -> None:
        if self._clock() - self._read_at >= _RELOAD_SECONDS:
            self._read_at = self._clock()
            try:
                self._keys, self.broken = _read(self._folder), ""
            except SettingsError as error:
                self.broken = str(error)


def _read(folder: Path) -> dict[int, bytes]:
    try:
        # ..data and the like are the kubelet's own
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
        keys = {_id_of(path): _secret_of(path) for path in files}
    except OSError as error:
        raise SettingsError(f"the master keys cannot be read: {error}") from None
    if not keys:
        raise SettingsError(f"{folder} has no master key; put one into a file named by a number from 0 to 255")
    return keys


def _id_of(path: Path) -> int:
    name = path.name
    if not (name.isascii() and name.isdigit() and int(name) <= 255):
        raise SettingsError(f"{path}: a master key's file is named by a number from 0 to 255")
    return int(name)


def _secret_of(path: Path) -> bytes:
    try:
        secret = binascii.a2b_hex(path.read_bytes().strip())
    except binascii.Error:
        raise SettingsError(f"{path}: a master key is written as hexadecimal digits") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise SettingsError(f"{path}: a master key has at least {MIN_SECRET_BYTES} bytes, not {len(secret)}")
    return secret
