"""What a witness has seen, on its disk: the last checkpoint that it cosigned of each log, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

from marquee.audit.errors import DamagedError, FormatError, MissingError
from marquee.audit.keys import PrivateKey
from marquee.audit.notes import Checkpoint, Signature, SignedCheckpoint, cosign, cosignatures, read_checkpoint
from marquee.audit.store.port import Store


class Memory:
    """Cosigns, and remembers it before anybody hears of it. One process at a time has it.

    Args:
        store: where it is kept.
        key: the witness's.
        clock: seconds since the epoch.

    Raises:
        LockedError: another process has it.
        DamagedError: something in it is not this witness's; cosigning on could contradict what it signed.

    """

    def __init__(self, store: Store, key: PrivateKey, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._claim = store.claim()
        self.seen: dict[str, Checkpoint] = {}
        self._seconds = 0
        for path in store.paths("seen"):
            self._load(path)

    def cosign(self, checkpoint: Checkpoint) -> Signature:
        """Remember a checkpoint and sign it, with a time that never goes back. Raises `StoreError`."""
        seconds = max(int(self._clock()), self._seconds)
        signature = cosign(checkpoint, self._key, seconds)
        self._claim.check()
        self._store.replace(_path(checkpoint.origin), SignedCheckpoint(checkpoint, (signature,)).text.encode())
        self.seen[checkpoint.origin] = checkpoint
        self._seconds = seconds
        return signature

    def close(self) -> None:
        """Let another process have it."""
        self._claim.release()

    def _load(self, path: str) -> None:
        remedy = "restore it, or begin with a new key: this one must not contradict what it signed"
        try:
            signed = read_checkpoint(self._store.read(path), path)
            own = cosignatures(signed, [self._key.public], path)
        except (FormatError, MissingError) as error:
            raise DamagedError(path, error.what, remedy) from error
        if not own or path != _path(signed.checkpoint.origin):
            raise DamagedError(path, "was not written by this witness", remedy)
        self.seen[signed.checkpoint.origin] = signed.checkpoint
        self._seconds = max(self._seconds, own[0].seconds)


def _path(origin: str) -> str:
    return f"seen/{sha256(origin.encode()).hexdigest()}"
