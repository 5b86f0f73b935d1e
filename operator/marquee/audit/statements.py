"""In-toto Statements of the log: written in one canonical form, read back into typed events.

``{"_type": ..., "subject": [{"name": ..., "digest": {"sha256": ...}}], "predicateType": ..., "predicate": {...}}``
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import ValidationError

from marquee.audit.envelope import payload_of, read_envelope, seal
from marquee.audit.errors import FormatError
from marquee.audit.events import EVENTS, PREDICATES, Event, Stamp, Subject, predicate_of
from marquee.audit.keys import PrivateKey
from marquee.audit.tiles import check_entry_size

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
_STAMP: Final = {field.alias or name for name, field in Stamp.model_fields.items()}


@dataclass(frozen=True)
class Statement:
    """One event, typed."""

    stamp: Stamp
    event: Event
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """What the log itself must know of an entry: whose, which, when."""

    model: str
    sequence: int
    time: datetime


def write_entry(statement: Statement, keys: Sequence[PrivateKey]) -> bytes:
    """The bytes of an entry.

    Raises:
        EntryTooLargeError: it has too much in it.

    """
    payload = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in statement.subjects],
        "predicateType": PREDICATES + statement.event.KIND,
        "predicate": predicate_of(statement.stamp, statement.event),
    }
    entry = seal(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS), keys)
    check_entry_size(entry)
    return entry


def read_entry(entry: bytes, where: str = "entry") -> Statement:
    """The event of an entry.

    Raises:
        FormatError: it is none of those that are known.

    """
    payload = _payload(entry, where)
    try:
        predicate = dict(payload["predicate"])
        stamp = {name: predicate.pop(name) for name in list(predicate) if name in _STAMP}
        subjects = tuple(Subject(name=one["name"], sha256=one["digest"]["sha256"]) for one in payload["subject"])
        kind = EVENTS[payload["predicateType"]]
        return Statement(Stamp.model_validate(stamp), kind.model_validate(predicate), subjects)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        what = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        raise FormatError(where, what, "write it with `write_entry`") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(where, f"is no statement of this log: {error!r}", "write it with `write_entry`") from None


def read_stamp(entry: bytes, where: str = "entry") -> Stamp:
    """Whose entry it is, where it stands, and who says to have signed it, whatever its kind.

    Raises:
        FormatError: it has no such stamp.

    """
    try:
        predicate = _payload(entry, where)["predicate"]
        return Stamp.model_validate({name: value for name, value in predicate.items() if name in _STAMP})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        what = f"predicate.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        raise FormatError(where, what, "write it with `write_entry`") from None
    except (KeyError, AttributeError):
        raise FormatError(where, "has no predicate", "write it with `write_entry`") from None


def position_of(entry: bytes, where: str = "entry") -> Position:
    """Model, number and time of an entry; of the rest the log need know nothing, so later kinds of events may come.

    Raises:
        FormatError: it has none.

    """
    try:
        predicate = _payload(entry, where)["predicate"]
        model, sequence, time = predicate["model"], predicate["sequence"], predicate["time"]
        when = datetime.fromisoformat(time)
        if isinstance(model, str) and type(sequence) is int and sequence > 0 and when.tzinfo is not None:
            return Position(model, sequence, when)
    except (KeyError, TypeError, ValueError):
        pass
    raise FormatError(where, "has no model, sequence and time", "write it with `write_entry`")


def _payload(entry: bytes, where: str) -> dict[str, Any]:
    envelope = read_envelope(entry, where)
    try:
        payload = orjson.loads(payload_of(envelope, where))
    except orjson.JSONDecodeError as error:
        raise FormatError(where, f"its payload is no JSON: {error}", "write it with `write_entry`") from None
    if not isinstance(payload, dict) or payload.get("_type") != STATEMENT_TYPE:
        raise FormatError(where, "its payload is no in-toto Statement", "write it with `write_entry`")
    return payload
