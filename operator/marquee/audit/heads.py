"""Which checkpoint of a store is the newest: the one that is served, or a copy that nobody replaces.

``checkpoint`` is replaced each time. In a bucket, a writer that has lost its claim could set it back once more, so each
checkpoint is also created as ``checkpoints/<size>``, and the largest of them counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from marquee.audit.errors import DamagedError, FormatError
from marquee.audit.keys import PublicKey
from marquee.audit.notes import SignedCheckpoint, read_checkpoint, require_log
from marquee.audit.store.port import Store

CHECKPOINT: Final = "checkpoint"
"""Where readers find the newest one (tlog-tiles)."""
COSIGNED: Final = "cosigned-checkpoint"
"""The newest one that as many witnesses have cosigned as are asked."""
COPIES: Final = "checkpoints"
KEPT_COPIES: Final = 16


def copy_path(size: int) -> str:
    """Where a checkpoint's copy is; names sort as sizes do."""
    return f"{COPIES}/{size:020d}"


def newest(store: Store, origin: str, keys: Sequence[PublicKey], paths: Sequence[str]) -> SignedCheckpoint | None:
    """The newest checkpoint, verified; None in an empty store.

    Args:
        store: where the log is.
        origin: name of the log.
        keys: its keys, present and retired.
        paths: what the store has.

    Raises:
        DamagedError: it cannot be read, or there is none although there is something else.
        ProofError: it is another log's, or signed by nobody who is known.
        StoreError: the store failed.

    """
    copies = [path for path in paths if path.startswith(f"{COPIES}/")]
    candidates = [*copies[-1:], *([CHECKPOINT] if CHECKPOINT in paths else [])]
    heads = []
    for path in candidates:
        try:
            signed = read_checkpoint(store.read(path), path)
        except FormatError as error:
            raise DamagedError(path, error.what, "restore it from a copy of the log") from error
        require_log(signed, origin, keys, path)
        heads.append(signed)
    if heads:
        return max(heads, key=lambda head: head.checkpoint.size)
    if paths:
        raise DamagedError(CHECKPOINT, f"is missing, although there is {paths[0]}", "restore it from a copy of the log")
    return None
