"""What a witness answers to a checkpoint: pure, from the request and from what it has seen of that log."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from marquee.audit.errors import FormatError, KeyUnknownError, ProofError
from marquee.audit.hashing import EMPTY_ROOT, HASH_BYTES
from marquee.audit.keys import PublicKey, decode_base64
from marquee.audit.notes import Checkpoint, SignedCheckpoint, read_checkpoint, read_number, require_log
from marquee.audit.proofs import MAX_PROOF_HASHES, check_consistency

ADD_CHECKPOINT: Final = "/add-checkpoint"
SIZE_CONTENT_TYPE: Final = "text/x.tlog.size"
_WHERE: Final = "request"


@dataclass(frozen=True)
class Submission:
    """A checkpoint, and a proof that it grew out of an older one."""

    old: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    @property
    def body(self) -> bytes:
        """As it is sent."""
        lines = [f"old {self.old}", *(base64.b64encode(node).decode() for node in self.path)]
        return ("\n".join(lines) + f"\n\n{self.signed.text}").encode()


@dataclass(frozen=True)
class Refusal:
    """Why a checkpoint is not cosigned."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain"


def read_submission(body: bytes) -> Submission:
    """A request from its body. Raises `FormatError`."""
    head, separator, note = body.partition(b"\n\n")
    try:
        first, *lines = head.decode().split("\n")
    except UnicodeDecodeError:
        first, lines = "", []
    if not separator or not first.startswith("old "):
        raise FormatError(
            _WHERE, "does not begin with 'old SIZE', hashes and an empty line", "see c2sp.org/tlog-witness"
        )
    path = tuple(decode_base64(line, _WHERE) for line in lines)
    if len(path) > MAX_PROOF_HASHES or any(len(node) != HASH_BYTES for node in path):
        raise FormatError(_WHERE, "has a line that is no hash, or too many", "send at most 63 hashes")
    return Submission(read_number(first.removeprefix("old "), _WHERE), path, read_checkpoint(note, _WHERE))


def judge(body: bytes, logs: Mapping[str, Sequence[PublicKey]], seen: Mapping[str, Checkpoint]) -> Checkpoint | Refusal:
    """The checkpoint that may be cosigned, or why none may.

    Args:
        body: of the request.
        logs: trusted keys by origin.
        seen: by origin, the last checkpoint that was cosigned.

    """
    try:
        submission = read_submission(body)
    except FormatError as error:
        return Refusal(HTTPStatus.BAD_REQUEST, str(error))
    checkpoint = submission.signed.checkpoint
    if checkpoint.origin not in logs:
        return Refusal(HTTPStatus.NOT_FOUND, f"the log {checkpoint.origin!r} is not known here")
    try:
        require_log(submission.signed, checkpoint.origin, logs[checkpoint.origin], _WHERE)
    except (KeyUnknownError, ProofError) as error:
        return Refusal(HTTPStatus.FORBIDDEN, str(error))
    before = seen.get(checkpoint.origin, Checkpoint(checkpoint.origin, 0, EMPTY_ROOT))
    if submission.old > checkpoint.size:
        return Refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
    if submission.old != before.size:
        return Refusal(HTTPStatus.CONFLICT, f"{before.size}\n", SIZE_CONTENT_TYPE)
    if before.size == checkpoint.size and before.root != checkpoint.root:
        return Refusal(HTTPStatus.CONFLICT, f"{before.size}\n", SIZE_CONTENT_TYPE)
    try:
        check_consistency(before.size, before.root, checkpoint.size, checkpoint.root, submission.path)
    except ProofError as error:
        return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    return checkpoint
