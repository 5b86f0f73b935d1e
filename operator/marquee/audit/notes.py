"""Signed notes and the checkpoints that they carry: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint.

Two byte strings never mean the same note: whatever is not exactly as it would be written is refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import ForeignLogError, FormatError, KeyUnknownError, ProofError
from marquee.audit.hashing import HASH_BYTES
from marquee.audit.keys import SIGNATURE_BYTES, PrivateKey, PublicKey, Use, decode_base64, describe

MAX_NOTE_BYTES: Final = 64 * 1024
MAX_SIGNATURES: Final = 64
"""The specification asks for at least 16."""
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_LINE: Final = re.compile(r"— (?P<name>[^\s+]+) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_TIME_BYTES: Final = 8
_AGAIN: Final = "fetch it again from the log"


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note's text."""

    name: str
    identifier: bytes
    content: bytes

    @property
    def line(self) -> str:
        """With its newline."""
        return f"— {self.name} {base64.b64encode(self.identifier + self.content).decode()}\n"

    def is_by(self, key: PublicKey) -> bool:
        """Whether it claims to be this key's."""
        return self.name == key.name and self.identifier == key.identifier


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: so many entries, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with whatever signed it; nothing has been verified yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        """The whole note."""
        return f"{self.checkpoint.text}\n{''.join(signature.line for signature in self.signatures)}"

    def with_signatures(self, more: Iterable[Signature]) -> SignedCheckpoint:
        """The same with more signatures; one that is there already is not repeated."""
        return SignedCheckpoint(self.checkpoint, tuple(dict.fromkeys([*self.signatures, *more])))


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness's verified word: at this time, this was the largest tree that it had seen of the log."""

    witness: PublicKey
    seconds: int
    """Since the epoch, by the witness's clock."""


def sign(checkpoint: Checkpoint, keys: Sequence[PrivateKey]) -> SignedCheckpoint:
    """Sign as the log; two keys while one takes over from the other."""
    text = checkpoint.text.encode()
    signatures = [Signature(key.name, key.public.identifier, key.sign(text)) for key in keys]
    return SignedCheckpoint(checkpoint, tuple(signatures))


def cosign(checkpoint: Checkpoint, key: PrivateKey, seconds: int) -> Signature:
    """Sign as a witness: https://c2sp.org/tlog-cosignature, Ed25519."""
    content = seconds.to_bytes(_TIME_BYTES, "big") + key.sign(_cosigned_text(checkpoint, seconds))
    return Signature(key.name, key.public.identifier, content)


def read_checkpoint(content: bytes, where: str = "checkpoint") -> SignedCheckpoint:
    """A checkpoint from its note; signatures are not verified here.

    Raises:
        FormatError: the bytes are no such note.

    """
    if len(content) > MAX_NOTE_BYTES:
        raise FormatError(where, f"has more than {MAX_NOTE_BYTES:,} bytes", _AGAIN)
    try:
        text, separator, lines = content.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise FormatError(where, "is no UTF-8", _AGAIN) from None
    if not separator or not lines.endswith("\n"):
        raise FormatError(where, "has no signatures, or is cut off within one", _AGAIN)
    checkpoint = _read_text(text + "\n", where)
    signatures = read_signatures(lines, where)
    return SignedCheckpoint(checkpoint, signatures)


def read_signatures(lines: str, where: str) -> tuple[Signature, ...]:
    """Signature lines, each with its newline. Raises `FormatError`."""
    found = tuple(_read_signature(line, where) for line in lines.removesuffix("\n").split("\n"))
    if len(found) > MAX_SIGNATURES:
        raise FormatError(where, f"has more than {MAX_SIGNATURES} signatures", _AGAIN)
    return found


def require_log(signed: SignedCheckpoint, origin: str, keys: Sequence[PublicKey], where: str = "checkpoint") -> None:
    """Refuse a checkpoint that the log did not sign.

    Raises:
        ForeignLogError: it is another log's.
        KeyUnknownError: no trusted key signed it.
        ProofError: a trusted key's signature is not over this text.

    """
    if signed.checkpoint.origin != origin:
        what = f"is of the log {signed.checkpoint.origin!r}, not of {origin!r}"
        raise ForeignLogError(where, what, "give the checkpoint and the key of one and the same log")
    text = signed.checkpoint.text.encode()
    known = [(key, one) for key in keys if key.use is Use.LOG for one in signed.signatures if one.is_by(key)]
    for key, signature in known:
        if len(signature.content) != SIGNATURE_BYTES or not key.has_signed(text, signature.content):
            raise ProofError(where, f"the signature of {describe([key])} is not over this text", "trust nothing in it")
    if not known:
        what = f"is signed by none of the trusted keys ({describe(keys)})"
        raise KeyUnknownError(where, what, "after a rotation, give the retired public key too")


def cosignatures(signed: SignedCheckpoint, witnesses: Sequence[PublicKey], where: str = "checkpoint") -> list[Cosigned]:
    """The verified words of known witnesses, each witness once with its latest.

    Raises:
        ProofError: a known witness's signature is not over this text.

    """
    latest: dict[PublicKey, Cosigned] = {}
    for key in witnesses:
        for signature in signed.signatures:
            if signature.is_by(key) and key.use is Use.COSIGNATURE:
                seconds = _cosigned_seconds(signed.checkpoint, signature, key, where)
                if key not in latest or latest[key].seconds < seconds:
                    latest[key] = Cosigned(key, seconds)
    return list(latest.values())


def read_number(text: str, where: str) -> int:
    """A number without leading zeroes, below 10**19. Raises `FormatError`."""
    if not _NUMBER.fullmatch(text):
        raise FormatError(where, f"{text[:40]!r} is no number without leading zeroes", _AGAIN)
    return int(text)


def _cosigned_seconds(checkpoint: Checkpoint, signature: Signature, key: PublicKey, where: str) -> int:
    seconds = int.from_bytes(signature.content[:_TIME_BYTES], "big")
    message, content = _cosigned_text(checkpoint, seconds), signature.content[_TIME_BYTES:]
    if len(content) != SIGNATURE_BYTES or not key.has_signed(message, content):
        raise ProofError(where, f"the cosignature of {describe([key])} is not over this text", "trust nothing in it")
    return seconds


def _cosigned_text(checkpoint: Checkpoint, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{checkpoint.text}".encode()


def _read_text(text: str, where: str) -> Checkpoint:
    """Extension lines are refused: nobody could audit them."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != 3 or not lines[0] or not lines[0].isprintable():
        raise FormatError(where, "does not have the lines origin, size and root, and nothing else", _AGAIN)
    root = decode_base64(lines[2], where)
    if len(root) != HASH_BYTES:
        raise FormatError(where, f"its root has {len(root)} bytes instead of {HASH_BYTES}", _AGAIN)
    return Checkpoint(lines[0], read_number(lines[1], where), root)


def _read_signature(line: str, where: str) -> Signature:
    found = _LINE.fullmatch(line)
    if found is None:
        raise FormatError(where, "has a signature line that is none", _AGAIN)
    content = decode_base64(found["signature"], where)
    if len(content) <= 4:
        raise FormatError(where, "has a signature that is too short", _AGAIN)
    return Signature(found["name"], content[:4], content[4:])
