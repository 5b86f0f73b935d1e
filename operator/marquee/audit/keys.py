"""Ed25519 keys with names, as signed notes know them: https://c2sp.org/signed-note.

A public key is written ``NAME+IDENTIFIER+BASE64``, the form that Go's ``sumdb/note`` reads. The identifier also
commits to what the key is used for: a log's checkpoint, or a witness's cosignature.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from marquee.audit.errors import FormatError

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_NAME: Final = re.compile(r"[^\s+\x00-\x1f]+")
_PRIVATE_PREFIX: Final = "PRIVATE+KEY"
_SEED: Final = re.compile(r"[0-9a-f]{64}")


class Use(IntEnum):
    """Signature types of signed notes."""

    LOG = 0x01
    """Ed25519 over the note's text; also for entries."""
    COSIGNATURE = 0x04
    """Ed25519 over the text with a time before it."""


@dataclass(frozen=True)
class PublicKey:
    """A name, a use and a key, which together have an identifier of four bytes."""

    name: str
    use: Use
    raw: bytes
    identifier: bytes = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        digest = sha256(self.name.encode() + b"\n" + bytes([self.use]) + self.raw).digest()
        object.__setattr__(self, "identifier", digest[:4])
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.raw))

    @property
    def text(self) -> str:
        """As it is handed to others."""
        encoded = base64.b64encode(bytes([self.use]) + self.raw).decode()
        return f"{self.name}+{self.identifier.hex()}+{encoded}"

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over the message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs; ``seed`` are its 32 secret bytes."""

    name: str
    use: Use
    seed: bytes = field(repr=False)
    public: PublicKey = field(init=False, compare=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "public", PublicKey(self.name, self.use, key.public_key().public_bytes_raw()))

    @classmethod
    def generate(cls, name: str, use: Use = Use.LOG) -> PrivateKey:
        """A new key. Raises `FormatError` for a name that no note can carry."""
        return cls(name, use, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def text(self) -> str:
        """As it is kept in a Secret or a file that only its owner reads; Go's ``note.NewSigner`` reads it too."""
        encoded = base64.b64encode(bytes([self.use]) + self.seed).decode()
        return f"{_PRIVATE_PREFIX}+{self.name}+{self.public.identifier.hex()}+{encoded}"

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)


def read_public(text: str, where: str = "key") -> PublicKey:
    """A public key from its text.

    Raises:
        FormatError: it is none, or its identifier is another key's.

    """
    name, _, rest = text.strip().partition("+")
    identifier, _, encoded = rest.partition("+")
    use, raw = _material(encoded, where)
    key = PublicKey(name, use, raw)
    if key.identifier.hex() != identifier:
        raise FormatError(where, f"{name} has the identifier of another key", "copy the whole line again")
    return key


def read_private(text: str, where: str = "key") -> PrivateKey:
    """A private key from its text.

    Raises:
        FormatError: it is none. The message has nothing of it.

    """
    prefix, rest = text.strip()[: len(_PRIVATE_PREFIX)], text.strip()[len(_PRIVATE_PREFIX) + 1 :]
    parts = rest.split("+", 2)
    if prefix != _PRIVATE_PREFIX or len(parts) != 3:
        raise FormatError(where, "is no private key", "make one with: python -m marquee.audit new-key NAME")
    use, seed = _material(parts[2], where)
    key = PrivateKey(parts[0], use, seed)
    if key.public.identifier.hex() != parts[1]:
        raise FormatError(where, f"the key of {parts[0]} has another identifier", "restore the file from its copy")
    return key


def load_private(path: Path) -> PrivateKey:
    """A private key from a mounted file. Raises `FormatError`, also when there is no file."""
    try:
        return read_private(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(str(path), f"the key cannot be read: {error}", "mount the Secret that has it") from error


def load_named(path: Path, name: str) -> list[PrivateKey]:
    """The keys of a mounted file, one a line: as `PrivateKey.text`, or as 64 hexadecimal digits.

    A chart can make random digits, and no key's text: that has the public key in it.

    Args:
        path: of the file.
        name: of keys that are given as digits; the others have their own.

    Raises:
        FormatError: there is no such file, it has no key, or a line is none. The message has nothing of it.

    """
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(str(path), f"the key cannot be read: {error}", "mount the Secret that has it") from error
    if not lines:
        raise FormatError(str(path), "has no key", "mount the Secret that has it")
    return [_named(line, name, str(path)) for line in lines]


def _named(line: str, name: str, where: str) -> PrivateKey:
    if _SEED.fullmatch(line):
        return PrivateKey(name, Use.LOG, bytes.fromhex(line))
    return read_private(line, where)


def require_name(name: str) -> None:
    """Refuse a name with spaces or plus signs. Raises `FormatError`."""
    if not _NAME.fullmatch(name):
        raise FormatError(
            "key name", f"{name!r} is empty or has spaces or '+'", "use a name such as logs.example/marquee"
        )


def decode_base64(text: str, where: str) -> bytes:
    """Bytes of the one encoding that stands for them: two texts never mean the same. Raises `FormatError`."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = None
    if decoded is None or base64.b64encode(decoded).decode() != text:
        raise FormatError(where, "is no base64", "copy the whole line again")
    return decoded


def describe(keys: Sequence[PublicKey]) -> str:
    """Names and identifiers, for messages."""
    return ", ".join(f"{key.name}+{key.identifier.hex()}" for key in keys) or "none"


def _material(encoded: str, where: str) -> tuple[Use, bytes]:
    content = decode_base64(encoded, where)
    if len(content) != KEY_BYTES + 1 or content[0] not in set(Use):
        raise FormatError(where, "is no Ed25519 key of a log (01) or a witness (04)", "copy the whole line again")
    return Use(content[0]), content[1:]
