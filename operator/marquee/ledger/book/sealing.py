"""What is kept of a data subject, in a form that needs two keys to be read: its own, and one of the ledger's masters.

A subject's own key is random and lies in the database, wrapped (RFC 3394) by a key that is derived from a master key;
destroying it makes everything under it unreadable. What the subject is found by is an HMAC of its unit's hash under
another derived key: whoever has the tables alone can neither read a decision nor say whose it is, also with a list of
all hashes at hand. Decisions are AES-256-GCM ciphertexts, bound to their model, revision, time and number.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from marquee.ledger.errors import SealBrokenError

KEY_BYTES: Final = 32
PSEUDONYM_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_PSEUDONYMS: Final = b"marquee pseudonyms of subjects"
_WRAPPING: Final = b"marquee keys of subjects"
_COMMITMENT: Final = b"marquee subject erased\x00"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a ciphertext belongs to; it is read in no other place."""

    model: str
    revision: str
    milliseconds: int
    number: int

    @property
    def data(self) -> bytes:
        """Associated data of the cipher; names have no zero byte."""
        return f"{self.model}\x00{self.revision}\x00{self.milliseconds}\x00{self.number}".encode()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The ledger's master keys by their ids; the highest id is used for what is written."""

    masters: Mapping[int, bytes]

    @property
    def newest(self) -> int:
        """Id of the master key that is used for what is written."""
        return max(self.masters)

    def pseudonym(self, model: str, unit: bytes, master_id: int) -> bytes:
        """What a subject is found by under one master key.

        Args:
            model: ``namespace/name``.
            unit: the unit's hash, 8 bytes.
            master_id: one of the ring's.

        """
        key = hmac.digest(self.masters[master_id], _PSEUDONYMS, "sha256")
        return hmac.digest(key, model.encode() + b"\x00" + unit, "sha256")[:PSEUDONYM_BYTES]

    def wrap(self, key: bytes) -> bytes:
        """A subject's key as it is stored: 40 bytes."""
        return aes_key_wrap(self._wrapping(self.newest), key)

    def unwrap(self, wrapped: bytes, master_id: int) -> bytes:
        """A subject's key.

        Raises:
            SealBrokenError: the master key is missing or another one, or the bytes were changed.

        """
        if master_id not in self.masters:
            raise SealBrokenError(f"the master key {master_id} is missing: put it back into its Secret")
        try:
            return aes_key_unwrap(self._wrapping(master_id), wrapped)
        except (InvalidUnwrap, ValueError):
            detail = f"a subject's key does not open with the master key {master_id}: one of them was changed"
            raise SealBrokenError(f"{detail}; restore it from its copy") from None

    def _wrapping(self, master_id: int) -> bytes:
        return hmac.digest(self.masters[master_id], _WRAPPING, "sha256")


def new_key() -> bytes:
    """A subject's key: 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def seal(key: bytes, plaintext: bytes, binding: bytes) -> bytes:
    """A nonce and the ciphertext with its tag: 28 bytes more than the plaintext."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, binding)


def unseal(key: bytes, sealed: bytes, binding: bytes) -> bytes:
    """The plaintext.

    Raises:
        SealBrokenError: another key, another place, or changed bytes.

    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], binding)
    except (InvalidTag, ValueError):
        raise SealBrokenError("something that is kept of a subject was changed, or moved from its place") from None


def commitment(key: bytes, model: str, unit: bytes) -> str:
    """What the audit log says of an erased subject: without the key it says nothing, and the key is destroyed next."""
    return "hmac-sha256:" + hmac.digest(key, _COMMITMENT + model.encode() + b"\x00" + unit, "sha256").hex()
