"""Who sees what: the unit's hash, its bucket, and the names that both are computed from.

A client needs no look-up to compute a bucket: the salt is the model's name. The same arithmetic, with the same golden
vectors, is in the client libraries; a change here splits the users of every running rollout anew.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Final

from pydantic import StringConstraints

UNIT_HASH_BYTES: Final = 8
BUCKETS: Final = 1_000

_NAMESPACE: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_MODEL: Final = r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?"
_ROLLOUT: Final = r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"

ModelPath = Annotated[str, StringConstraints(pattern=rf"^{_NAMESPACE}/{_MODEL}$")]
"""``namespace/name`` of a `MarketingModel`."""
RolloutName = Annotated[str, StringConstraints(pattern=rf"^{_ROLLOUT}$")]
"""Name of a rollout, unique within its model."""

_MODEL_PATH: Final = re.compile(rf"{_NAMESPACE}/{_MODEL}", re.ASCII)
_NAMESPACE_NAME: Final = re.compile(_NAMESPACE, re.ASCII)
_ROLLOUT_NAME: Final = re.compile(_ROLLOUT, re.ASCII)


def is_model_path(text: str) -> bool:
    """Whether a text is ``namespace/name`` of a model that Kubernetes and Marquee would accept."""
    return _MODEL_PATH.fullmatch(text) is not None


def is_namespace(text: str) -> bool:
    """Whether a text can be the name of a namespace."""
    return _NAMESPACE_NAME.fullmatch(text) is not None


def is_rollout_name(text: str) -> bool:
    """Whether a text can be the name of a rollout."""
    return _ROLLOUT_NAME.fullmatch(text) is not None


def unit_hash(model: str, unit: str) -> bytes:
    """The first 8 bytes of ``SHA-256(namespace/name || 0x00 || unit)``: what travels and is stored for a unit.

    Args:
        model: ``namespace/name``.
        unit: the user's or request's identifier, as UTF-8.

    """
    return hashlib.sha256(model.encode() + b"\x00" + unit.encode()).digest()[:UNIT_HASH_BYTES]


def bucket(unit: bytes) -> int:
    """The bucket, 0 to 999, of a unit's hash: its big-endian value modulo 1000."""
    return int.from_bytes(unit, "big") % BUCKETS


def bucket_header(unit: bytes) -> str:
    """The bucket as the header ``marquee-bucket`` carries it: three digits."""
    return f"{bucket(unit):03d}"
