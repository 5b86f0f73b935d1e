"""The headers that say who is asking, without saying it: the unit's hash and its bucket.

The arithmetic is that of `marquee.contract.assignment`, written out again because that module needs pydantic. Golden
vectors in ``tests/golden/assignment.json`` hold both, and the JavaScript library, to the same numbers.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from marquee.client.errors import InvalidRequestError

HEADER_BUCKET: Final = "marquee-bucket"
HEADER_UNIT_HASH: Final = "marquee-unit-hash"

_UNIT_HASH_BYTES: Final = 8
_BUCKETS: Final = 1_000
_MODEL_PATH: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?/[a-z]([a-z0-9-]{0,48}[a-z0-9])?", re.ASCII)


def check_model(model: str) -> str:
    """A model's ``namespace/name``, when it is one.

    Raises:
        InvalidRequestError: it is not.

    """
    if not isinstance(model, str) or _MODEL_PATH.fullmatch(model) is None:
        raise InvalidRequestError(f"model: {model!r:.100} is not namespace/name of a model, such as marketing/leads")
    return model


def unit_headers(model: str, unit: str) -> dict[str, str]:
    """``marquee-bucket`` and ``marquee-unit-hash`` of a unit.

    Args:
        model: ``namespace/name``.
        unit: the user's identifier, spelled the same in every request: texts that merely look alike, such as the
            two ways to write an umlaut in Unicode, are different units.

    Raises:
        InvalidRequestError: the model or the unit cannot be one. The message does not repeat the unit.

    """
    check_model(model)
    if not isinstance(unit, str):
        raise InvalidRequestError(f"unit: must be text, not {type(unit).__name__}")
    if not unit:
        raise InvalidRequestError("unit: is empty, so all such users would be one; leave it out for a user unknown")
    try:
        identity = unit.encode()
    except UnicodeEncodeError:
        raise InvalidRequestError("unit: has half of a surrogate pair, which is no character") from None
    digest = hashlib.sha256(model.encode() + b"\x00" + identity).digest()[:_UNIT_HASH_BYTES]
    bucket = int.from_bytes(digest, "big") % _BUCKETS
    return {HEADER_BUCKET: f"{bucket:03d}", HEADER_UNIT_HASH: digest.hex()}
