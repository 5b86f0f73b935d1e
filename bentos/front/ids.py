"""Prediction ids: opaque, unique, unguessable, in the order of time when sorted as text."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

PredictionIds = Callable[[], str]
"""Makes one id per prediction; the front takes any, so that ids can carry more one day."""

ID_LENGTH: Final = 32


def new_prediction_id() -> str:
    """32 hexadecimal digits: 48 bits of milliseconds since 1970, then 80 random bits."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
