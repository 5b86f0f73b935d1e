"""The headers that say what somebody has consented to; where predictions need it, see docs/privacy.md."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from marquee.client.errors import InvalidRequestError

HEADER_PURPOSES: Final = "marquee-purposes"
HEADER_PURPOSE_TOKEN: Final = "marquee-purpose-token"  # noqa: S105 - a name

_PURPOSE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


def consent_headers(purposes: Collection[str] = (), token: str | None = None) -> dict[str, str]:
    """``marquee-purposes`` and ``marquee-purpose-token``; nothing where nothing is given.

    Args:
        purposes: what the user has consented to, where the model believes its caller.
        token: the same, signed, where it believes no one.

    Raises:
        InvalidRequestError: a purpose or the token cannot be one. The message does not repeat the token.

    """
    if isinstance(purposes, str):
        raise InvalidRequestError("purposes: must be a list of names, not one text")
    headers = {}
    for purpose in purposes:
        if not isinstance(purpose, str) or _PURPOSE.fullmatch(purpose) is None:
            raise InvalidRequestError(f"purposes: {purpose!r:.80} is no name of small letters, digits and hyphens")
    if purposes:
        headers[HEADER_PURPOSES] = ",".join(purposes)
    if token is not None:
        if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
            raise InvalidRequestError("purpose_token: is no signed token, three parts of base64url with dots between")
        headers[HEADER_PURPOSE_TOKEN] = token
    return headers
