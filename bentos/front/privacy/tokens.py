"""Purpose tokens: JSON Web Tokens (RFC 7519) in compact serialization (RFC 7515), signed by HS256 and by nothing else.

PyJWT would be one more package in every pod, with a dozen algorithms of which all but this one have to be kept out, and
with claims that it does not require unless it is told to. One pinned algorithm is an HMAC over two parts and a
comparison. What was verified once is remembered by its bytes, so a session's further requests cost a look-up.
"""

from __future__ import annotations

import binascii
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import orjson
from pydantic import ValidationError

from bentos.front.failures import in_words
from marquee.contract.privacy import PurposeClaims

MAX_TOKEN_BYTES: Final = 2_048
MAX_REMEMBERED: Final = 4_096
"""Tokens; with the longest ones 10 MB."""
SKEW_SECONDS: Final = 60
"""How far the clocks of who signs and who checks may lie apart."""

Flaw = Literal["malformed", "key", "signature", "audience", "subject", "expired"]
FLAWS: Final[tuple[Flaw, ...]] = ("malformed", "key", "signature", "audience", "subject", "expired")
_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")


class TokenError(Exception):
    """A token that proves nothing; the words never hold a part of it."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(detail)
        self.flaw: Flaw = flaw


class Keys(Protocol):
    """Where keys come from."""

    def current(self) -> Mapping[str, bytes]:
        """The keys by id; another object once they have changed."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token with a good signature says."""

    subject: bytes
    """The unit's hash, 8 bytes."""
    expires: int
    purposes: frozenset[str]


class Tokens:
    """Verifies the tokens of one model; for the event loop alone.

    Args:
        keys: that tokens may be signed with.
        audience: ``namespace/name`` of the model.
        clock: seconds since 1970.

    """

    def __init__(self, keys: Keys, *, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._audience = audience
        self._clock = clock
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()
        self._verified_by: Mapping[str, bytes] | None = None

    def verify(self, token: bytes) -> Verified:
        """What a token says.

        Raises:
            TokenError: it is malformed, forged, another model's or expired.

        """
        keys = self._keys.current()
        if keys is not self._verified_by:  # a key that was taken away proves nothing any more
            self._verified.clear()
            self._verified_by = keys
        if (verified := self._verified.get(token)) is None:
            verified = self._remember(token, self._check(token, keys))
        if self._clock() >= verified.expires + SKEW_SECONDS:
            raise TokenError("expired", "its exp is over: send a new one")
        return verified

    def _remember(self, token: bytes, verified: Verified) -> Verified:
        if len(self._verified) >= MAX_REMEMBERED:
            self._verified.popitem(last=False)
        self._verified[token] = verified
        return verified

    def _check(self, token: bytes, keys: Mapping[str, bytes]) -> Verified:
        claims = _claims(_signed(token, keys))
        if claims.aud != self._audience:
            raise TokenError("audience", f"its aud is not {self._audience}")
        return Verified(bytes.fromhex(claims.sub), claims.exp, frozenset(claims.purposes))


def _signed(token: bytes, keys: Mapping[str, bytes]) -> bytes:
    """The payload, when its signature is good (RFC 7515, section 5.2)."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError("malformed", f"it has more than {MAX_TOKEN_BYTES} bytes")
    parts = token.split(b".")
    if len(parts) != 3:
        raise TokenError("malformed", "it must be sent once, as three parts of base64url with dots between")
    header, payload, signature = (_decoded(part) for part in parts)
    key = keys.get(_key_id(header))
    if key is None:
        raise TokenError("key", "its kid names no key of this model's tokens")
    if not hmac.compare_digest(hmac.digest(key, parts[0] + b"." + parts[1], "sha256"), signature):
        raise TokenError("signature", "its signature is not that of its kid: it is forged or was altered")
    return payload


def _key_id(raw: bytes) -> str:
    try:
        header = orjson.loads(raw)
    except orjson.JSONDecodeError:
        header = None
    if not isinstance(header, dict):
        raise TokenError("malformed", "its header is no JSON object")
    if header.get("alg") != "HS256":
        raise TokenError("malformed", "its alg must be HS256")
    if "crit" in header:  # extensions that must be understood; none is
        raise TokenError("malformed", "its header must have no crit")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise TokenError("malformed", "its header must have a kid, the id of the key")
    return kid


def _claims(payload: bytes) -> PurposeClaims:
    try:
        return PurposeClaims.model_validate_json(payload, strict=True)
    except ValidationError as error:
        raise TokenError("malformed", f"its claims: {in_words(error)}") from None


def _decoded(part: bytes) -> bytes:
    """Base64url without padding (RFC 7515, section 2); one text a value, so that no altered one is let through."""
    try:
        raw = binascii.a2b_base64(part.translate(_TO_BASE64) + b"=" * (-len(part) % 4), strict_mode=True)
    except binascii.Error:
        raw = b""
    if binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL) != part:
        raise TokenError("malformed", "its parts must be base64url without padding")
    return raw
