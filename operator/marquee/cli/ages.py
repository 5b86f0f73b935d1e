"""How long something has been so: '3 min', and not a timestamp that people have to subtract."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def age(since: str, now: datetime) -> str:
    """Time since an RFC 3339 timestamp, rounded down, in the largest unit of which there are two: '100 s', '3 d'.

    A clock that runs behind the cluster's gives '0 s'; what is no timestamp comes back as it is.
    """
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return since
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = max(0, int((now - moment).total_seconds()))
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= 2 * size or unit == "s")
    return f"{seconds // size} {unit}"
