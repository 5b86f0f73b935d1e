"""What the verdicts on drift and on performance share: the reading of the revision that serves, and their condition."""

from __future__ import annotations

from typing import Final

from marquee.api.conditions import ConditionDraft, ConditionType, Reason
from marquee.control.snapshot import DriftReading, Snapshot

_LONGEST: Final = 1024
_STATUS: Final[dict[str, bool | None]] = {"True": True, "False": False, "Unknown": None}


def reading_of(snapshot: Snapshot, serving: str) -> DriftReading | None:
    """Of the serving revision; what was read of another one says nothing of it."""
    reading = snapshot.drift
    return reading if reading is not None and reading.revision == serving else None


def known_of(snapshot: Snapshot, serving: str, kind: ConditionType) -> ConditionDraft | None:
    """The stored condition, when it is about this revision: an operator that has just started keeps it."""
    before = snapshot.model.status.drift
    if before is None or before.revision != serving:
        return None
    found = next((one for one in snapshot.model.status.conditions if one.type == kind), None)
    if found is None or found.reason not in set(Reason):
        return None
    return draft(kind, _STATUS[found.status], Reason(found.reason), found.message)


def draft(kind: ConditionType, status: bool | None, reason: Reason, message: str) -> ConditionDraft:
    """A condition, cut to what the API takes."""
    return ConditionDraft(type=kind, status=status, reason=reason, message=message[:_LONGEST])
