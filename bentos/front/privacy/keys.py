"""Keys of purpose tokens: a folder, as a Secret is mounted, with one file a key named by its id (``kid``).

To rotate: add a file, sign with it, and take the old one away when its last token has expired.
"""

from __future__ import annotations

import binascii
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bentos.front.failures import CannotServeError
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

MIN_KEY_BYTES: Final = 32
"""RFC 7518, section 3.2: a key of HS256 is no shorter than its hash."""
RELOAD_SECONDS: Final = 10.0


class PurposeKeys:
    """Keys by id, read again every few seconds when somebody asks.

    Args:
        folder: of the files.
        clock: seconds that only grow.

    Raises:
        CannotServeError: ``SettingsInvalid``: there is no usable key, at the start.

    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._keys = _read(folder)
        self._read_at = clock()
        self.broken = ""
        """Why the folder could not be read when it was looked at last; the keys before stay in force."""

    def current(self) -> Mapping[str, bytes]:
        """The keys; another object once they have changed."""
        if self._clock() - self._read_at >= RELOAD_SECONDS:
            self._read_at = self._clock()
            self._read_again()
        return self._keys

    def _read_again(self) -> None:
        try:
            keys = _read(self._folder)
        except CannotServeError as error:
            if not self.broken:
                log.error("the keys before stay in force: %s", error.message)
            self.broken = error.message
            return
        self.broken = ""
        if keys != self._keys:
            self._keys = keys
            log.info("purpose tokens are checked with %d keys from now on", len(keys))


def _read(folder: Path) -> dict[str, bytes]:
    try:
        # ..data and the like are the kubelet's own
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        keys = {path.name: _key_of(path) for path in files}
    except OSError as error:
        raise _unusable(f"the keys of purpose tokens cannot be read: {error}") from None
    if not keys:
        raise _unusable(f"{folder} has no key of purpose tokens")
    return keys


def _key_of(path: Path) -> bytes:
    try:
        key = binascii.a2b_hex(path.read_bytes().strip())
    except binascii.Error:
        raise _unusable(f"{path}: a key of purpose tokens is written as hexadecimal digits") from None
    if len(key) < MIN_KEY_BYTES:
        raise _unusable(f"{path}: a key of purpose tokens has at least {MIN_KEY_BYTES} bytes, not {len(key)}")
    return key


def _unusable(detail: str) -> CannotServeError:
    advice = "spec.privacy.consent.keysSecret names the Secret: is it there, in the model's namespace?"
    return CannotServeError(FailureReason.SETTINGS_INVALID, f"{detail}; {advice}")
