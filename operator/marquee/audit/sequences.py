"""Each model's entries are numbered 1, 2, 3, ...: a missing one shows, and the same one again is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from marquee.audit.errors import FormatError, SequenceGapError, SequenceReusedError
from marquee.audit.statements import Position

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
KEPT: Final = 64
"""So many of a model's newest entries can be recognised when they are sent again."""


@dataclass(slots=True)
class Course:
    """One model's entries so far."""

    last: int = 0
    time: datetime = _BEGINNING
    recent: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Index in the log and leaf hash of the newest entries by their number."""


class Sequences:
    """The courses of all models."""

    def __init__(self) -> None:
        self._courses: dict[str, Course] = {}

    def course(self, model: str) -> Course:
        """A model's; empty when nothing of it was logged."""
        return self._courses.get(model) or Course()

    def models(self) -> Iterator[str]:
        """Those that have entries."""
        return iter(self._courses)

    def admit(self, position: Position, index: int, leaf: bytes) -> int:
        """Take the next entry of a model as the one at ``index``; the index of an entry that is there already.

        Raises:
            SequenceGapError: one is missing before it.
            SequenceReusedError: the number belongs to another entry, or is too old to tell.

        """
        course = self._courses.setdefault(position.model, Course())
        if position.sequence <= course.last:
            return _again(position, course, leaf)
        if position.sequence != course.last + 1:
            what = f"follows entry {course.last} of its model"
            raise SequenceGapError(_name(position), what, f"append entry {course.last + 1} first")
        course.last, course.time = position.sequence, max(course.time, position.time)
        course.recent[position.sequence] = index, leaf
        course.recent.pop(position.sequence - KEPT, None)
        return index

    def dump(self) -> list[Any]:
        """For `load`."""
        return [
            [model, course.last, course.time.isoformat(), [[n, i, h.hex()] for n, (i, h) in course.recent.items()]]
            for model, course in sorted(self._courses.items())
        ]

    @classmethod
    def load(cls, dumped: list[Any]) -> Sequences:
        """From `dump`. Raises ValueError, KeyError or TypeError when it is none."""
        sequences = cls()
        for model, last, time, recent in dumped:
            kept = {int(n): (int(i), bytes.fromhex(h)) for n, i, h in recent}
            sequences._courses[str(model)] = Course(int(last), datetime.fromisoformat(time), kept)
        return sequences


@dataclass(frozen=True)
class Remembered:
    """The courses at a size of the tree: opening a log reads only the entries behind it."""

    size: int
    root: bytes
    sequences: Sequences


def encode_remembered(remembered: Remembered) -> bytes:
    """The content of its file."""
    models = remembered.sequences.dump()
    return orjson.dumps({"size": remembered.size, "root": remembered.root.hex(), "models": models}) + b"\n"


def decode_remembered(content: bytes, where: str) -> Remembered:
    """From its file. Raises `FormatError`; everything in it can be computed again."""
    try:
        document = orjson.loads(content)
        sequences = Sequences.load(document["models"])
        return Remembered(int(document["size"]), bytes.fromhex(document["root"]), sequences)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(where, f"cannot be read: {error}", "delete it; it is computed again") from None


def _again(position: Position, course: Course, leaf: bytes) -> int:
    known = course.recent.get(position.sequence)
    if known is None:
        what = f"is older than the last {KEPT} of its model (the last is {course.last})"
        raise SequenceReusedError(_name(position), what, "look for it in the log: it cannot be compared any more")
    if known[1] != leaf:
        what = f"belongs to another entry, at index {known[0]}"
        raise SequenceReusedError(_name(position), what, f"read that entry; the next number is {course.last + 1}")
    return known[0]


def _name(position: Position) -> str:
    return f"{position.model}, sequence {position.sequence}"
