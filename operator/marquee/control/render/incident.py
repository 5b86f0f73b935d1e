"""What the model's Service remembers of the kill switch, in the writes that move traffic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from pydantic import TypeAdapter, ValidationError

_TEXT_LIMIT = 2_000
_MOST_MILLISECONDS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One turn of the kill switch."""

    engaged: bool
    at: str
    """When it was turned: RFC 3339. Where nobody says, when the operator noticed."""
    by: str = ""
    reason: str = ""
    halt: int | None = None
    """Milliseconds from then until nobody was sent anywhere but to the fallback; None while some are."""
    logged: bool = False

    def to_text(self) -> str:
        """The annotation's text."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()


_INCIDENT: TypeAdapter[Incident] = TypeAdapter(Incident)


def read_incident(text: str | None) -> Incident | None:
    """The turn in an annotation; None when there is none, or none that an entry could be made of."""
    try:
        found = _INCIDENT.validate_json(text) if text else None
        at = datetime.fromisoformat(found.at) if found is not None else None
    except (ValidationError, ValueError):
        return None
    if found is None or at is None or at.tzinfo is None or max(len(found.by), len(found.reason)) > _TEXT_LIMIT:
        return None
    return found if found.halt is None or 0 <= found.halt <= _MOST_MILLISECONDS else None
