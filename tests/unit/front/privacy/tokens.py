"""Purpose tokens as whoever asks for consent would sign them."""

from __future__ import annotations

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any, Final

from marquee.contract.assignment import unit_hash

MODEL: Final = "ns/fixture"
KEY: Final = bytes(range(32))
KEY_ID: Final = "2024-11"
UNIT: Final = "customer-4711"


def base64url(raw: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**other: Any) -> dict[str, Any]:
    """Good for an hour, and for everything that the tests ask for; None leaves a claim out."""
    good = {
        "sub": unit_hash(MODEL, UNIT).hex(),
        "aud": MODEL,
        "exp": int(time.time()) + 3_600,
        "purposes": ["ads", "profiling"],
    }
    return {name: value for name, value in (good | other).items() if value is not None}


def signed(payload: object, *, header: object = None, key: bytes = KEY) -> str:
    """A token, whatever is in it."""
    head = {"alg": "HS256", "typ": "JWT", "kid": KEY_ID} if header is None else header
    parts = ".".join(base64url(json.dumps(part).encode()) for part in (head, payload))
    return f"{parts}.{base64url(hmac.digest(key, parts.encode(), 'sha256'))}"


def token(**other: Any) -> str:
    """A good token, but for what is given."""
    return signed(claims(**other))


def keys_in(folder: Path, **keys: bytes) -> Path:
    """A mounted Secret."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, key in (keys or {KEY_ID: KEY}).items():
        (folder / name).write_text(key.hex(), encoding="ascii")
    return folder
