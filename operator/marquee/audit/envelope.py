"""DSSE envelopes around in-toto Statements: how an entry says who wrote it.

https://github.com/secure-systems-lab/dsse, https://github.com/in-toto/attestation (Statement v1). The bytes of an entry
are the envelope as it was first written; they are stored and hashed, never written again from what was read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from marquee.audit.errors import FormatError, KeyUnknownError, ProofError
from marquee.audit.keys import PrivateKey, PublicKey, decode_base64, describe

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"


class EnvelopeSignature(BaseModel):
    """One author's signature over the payload."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keyid: str
    sig: str


class Envelope(BaseModel):
    """A payload and who signed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)

    payload_type: str
    payload: str
    signatures: tuple[EnvelopeSignature, ...] = Field(min_length=1, max_length=16)


def seal(payload: bytes, keys: Sequence[PrivateKey]) -> bytes:
    """The bytes of an entry: the payload, signed by each key."""
    message = pre_authentication(PAYLOAD_TYPE, payload)
    return orjson.dumps(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [
                {"keyid": _name(key.public), "sig": base64.b64encode(key.sign(message)).decode()} for key in keys
            ],
        }
    )


def read_envelope(entry: bytes, where: str = "entry") -> Envelope:
    """The envelope of an entry. Raises `FormatError`."""
    try:
        envelope = Envelope.model_validate_json(entry)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        what = f"is no DSSE envelope: {'.'.join(map(str, problem['loc']))} {problem['msg']}"
        raise FormatError(where, what, "append what `seal` returns") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise FormatError(where, f"has the payload type {envelope.payload_type!r}", f"use {PAYLOAD_TYPE}")
    return envelope


def payload_of(envelope: Envelope, where: str = "entry") -> bytes:
    """The statement's bytes. Raises `FormatError`."""
    return decode_base64(envelope.payload, where)


def require_author(envelope: Envelope, authors: Sequence[PublicKey], where: str = "entry") -> list[PublicKey]:
    """The authors among the trusted ones who signed.

    Raises:
        KeyUnknownError: none did.
        ProofError: the signature of one is not over this payload.

    """
    message = pre_authentication(envelope.payload_type, payload_of(envelope, where))
    signed = []
    for author in authors:
        for signature in envelope.signatures:
            if signature.keyid == _name(author):
                if not author.has_signed(message, decode_base64(signature.sig, where)):
                    raise ProofError(
                        where, f"the signature of {describe([author])} is not over this", "do not trust it"
                    )
                signed.append(author)
    if not signed:
        raise KeyUnknownError(where, f"is signed by none of the authors {describe(authors)}", "give its author's key")
    return signed


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """What is signed: lengths make it unambiguous (DSSE, "PAE")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _name(key: PublicKey) -> str:
    return f"{key.name}+{key.identifier.hex()}"
