"""What a person tells a model as a whole, apart from its rollouts: two annotations that `kubectl marquee` writes.

Written without pydantic, as `contract.command` is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

ANNOTATION_KILL: Final = "marquee.dev/kill-switch"
ANNOTATION_FREEZE: Final = "marquee.dev/freeze"
_LONGEST_BY: Final = 64
_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One switch, on or off."""

    on: bool
    by: str = ""
    """Who says so; the API server's audit log is the proof."""
    reason: str = ""
    at: str = ""
    """When it was said: RFC 3339."""
    until: str = ""
    """When it is off by itself: RFC 3339; empty: never."""

    @property
    def moment(self) -> datetime | None:
        """`at`; None when that is no time with a zone."""
        return _moment(self.at)

    @property
    def ends(self) -> datetime | None:
        """`until`; None when that is no time with a zone."""
        return _moment(self.until)

    def to_text(self) -> str:
        """The annotation's text."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)


def read_hold(text: str | None) -> Hold | None:
    """The switch in an annotation; None when there is none that can be read. Unknown fields are ignored."""
    try:
        body = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("on"), bool):
        return None
    texts = {name: body.get(name, "") for name in ("by", "reason", "at", "until")}
    if not all(isinstance(value, str) for value in texts.values()):
        return None
    return Hold(
        on=body["on"],
        by=_bounded(texts["by"], _LONGEST_BY),
        reason=_bounded(texts["reason"], _LONGEST_REASON),
        at=texts["at"],
        until=texts["until"],
    )


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _bounded(text: str, longest: int) -> str:
    return "".join(character for character in text if character.isprintable())[:longest]
