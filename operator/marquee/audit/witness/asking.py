"""How a log asks its witnesses: send the newest checkpoint with a proof, keep what they sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from marquee.audit.errors import AuditError, FormatError, ProofError
from marquee.audit.keys import PublicKey
from marquee.audit.notes import Signature, SignedCheckpoint, cosignatures, read_number, read_signatures
from marquee.audit.proofs import consistency
from marquee.audit.store.port import Store
from marquee.audit.tree import StoredTree
from marquee.audit.witness.judging import ADD_CHECKPOINT, SIZE_CONTENT_TYPE, Submission

_TRIES: Final = 2
"""The first answer may say which size the witness has seen."""
_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 * 1024


@dataclass
class Witness:
    """Where a witness is, its key, and the size that it saw last."""

    url: str
    key: PublicKey
    size: int = 0


async def ask(
    session: aiohttp.ClientSession, witness: Witness, store: Store, signed: SignedCheckpoint
) -> Sequence[Signature]:
    """A witness's cosignatures of a checkpoint, verified.

    Raises:
        ProofError: it refuses, or what it signed is something else.
        AuditError: it cannot be reached, or the store failed.

    """
    checkpoint = signed.checkpoint
    for _ in range(_TRIES):
        old = min(witness.size, checkpoint.size)
        path = consistency(StoredTree(store, checkpoint.size), old, checkpoint.size)
        status, content_type, text = await _post(session, witness, Submission(old, tuple(path), signed).body)
        if status == HTTPStatus.CONFLICT and content_type == SIZE_CONTENT_TYPE:
            size = read_number(text.removesuffix("\n"), witness.url)
            if size > checkpoint.size or size == witness.size:
                what = f"has seen another tree, of {size} entries, than this one of {checkpoint.size}"
                raise ProofError(witness.url, what, "compare this log with what the witness has seen")
            witness.size = size
            continue
        if status != HTTPStatus.OK:
            raise ProofError(witness.url, f"refuses with {status}: {text.strip()[:200]}", "look at the witness's log")
        return _verified(witness, signed, read_signatures(text, witness.url))
    raise ProofError(witness.url, "changes its mind about what it has seen", "ask again later")


def _verified(witness: Witness, signed: SignedCheckpoint, lines: Sequence[Signature]) -> Sequence[Signature]:
    """What is by other keys is left out."""
    own = [line for line in lines if line.is_by(witness.key)]
    if not cosignatures(SignedCheckpoint(signed.checkpoint, tuple(own)), [witness.key], witness.url):
        raise ProofError(witness.url, "answered without its cosignature", "compare its public key")
    witness.size = signed.checkpoint.size
    return own


async def _post(session: aiohttp.ClientSession, witness: Witness, body: bytes) -> tuple[int, str, str]:
    try:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with session.post(witness.url.rstrip("/") + ADD_CHECKPOINT, data=body, timeout=timeout) as response:
            content = await response.content.read(_MAX_ANSWER_BYTES)
            return response.status, response.content_type, content.decode()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise AuditError(witness.url, f"cannot be reached ({error!r})", "look at the witness") from error
    except UnicodeDecodeError as error:
        raise FormatError(witness.url, "answers in no text", "look at the witness") from error
