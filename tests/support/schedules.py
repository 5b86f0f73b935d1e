"""Scheduled floors of a model that holds now, or half a day from now."""

from __future__ import annotations

import time
from typing import Any


def window(*, now: bool) -> list[dict[str, Any]]:
    """A floor of one pod that holds at this time of the day, or twelve hours from it."""
    hour = (time.gmtime().tm_hour + (0 if now else 12)) % 24
    start, end = (hour - 1) % 24, (hour + 2) % 24
    return [{"start": f"0 {start} * * *", "end": f"0 {end} * * *", "minReplicas": 1}]
