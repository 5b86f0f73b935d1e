"""Marquee's CRDs as the types make them, made once: to be read and not to be changed."""

from __future__ import annotations

import functools
from typing import Any

from marquee.api.crds import all_crds


@functools.cache
def crds() -> dict[str, dict[str, Any]]:
    """Each by the name of its file."""
    return all_crds()
