"""What a person tells a rollout: one annotation of the MarketingModel, which `kubectl marquee` writes.

It names the rollout, and the step where that matters, so that a command acts once: the spec stays as Git has it, and
nobody has to take the annotation away again. Written without pydantic: the plugin starts in a third of the time.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

ANNOTATION_COMMAND: Final = "marquee.dev/command"
_LONGEST_BY: Final = 64
"""Characters of a user's name: they end up in events and conditions, which anybody who may patch could fill."""


class Action(StrEnum):
    """What to do."""

    PROMOTE = "promote"
    """Go on to the next step, or from the last one to all users, whatever the evidence says."""
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    UNDO = "undo"
    """Give all users back to the revision before, after the promotion."""
    RETRY = "retry"
    """Try a revision again that was rolled back, aborted or undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The newest command; an older one is replaced by it."""

    action: Action
    rollout: str
    step: int | None = None
    """From 0; for `PROMOTE`: a command that comes late must not promote the step after."""
    by: str = ""
    """Who says so, for the event; the API server's audit log is the proof."""

    def to_text(self) -> str:
        """The annotation's text."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)


def read_command(text: str | None) -> Command | None:
    """The command in an annotation; None when there is none that can be read. Unknown fields are ignored."""
    try:
        body = json.loads(text) if text else None
        action = Action(body["action"]) if isinstance(body, dict) else None
    except (ValueError, KeyError, RecursionError):
        return None
    if body is None or action is None:
        return None
    rollout, step, by = body.get("rollout"), body.get("step"), body.get("by", "")
    if not isinstance(rollout, str) or not (step is None or type(step) is int) or not isinstance(by, str):
        return None
    return Command(action=action, rollout=rollout, step=step, by=_bounded(by))


def _bounded(by: str) -> str:
    return "".join(character for character in by if character.isprintable())[:_LONGEST_BY]
