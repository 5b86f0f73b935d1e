"""The audit log's entry about PromotionFreezes: the whole list, each time it becomes another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import orjson

from marquee.audit.events import FreezesChanged, FreezeTold, Subject
from marquee.control.decide.plan import Entry
from marquee.control.snapshot import Decision, StandingFreeze

MAX_LISTED: Final = 40
"""An entry has room for so many, with the longest texts."""
_NAMED: Final = 4


def entry_of(freezes: Sequence[StandingFreeze]) -> Entry:
    """The entry that says that there are these and no others."""
    told = tuple(_told(freeze) for freeze in freezes[:MAX_LISTED])
    event = FreezesChanged(actor="", reason=_reason(told), freezes=told, more=len(freezes) - len(told))
    return Entry(list_of(event), event, (Subject(name="freezes", sha256=_digest(event)),))


def list_of(event: FreezesChanged) -> Decision:
    """By which it is found in the log again: two entries with the same list lead to the same place."""
    return Decision(f"freezes@{_digest(event)}", 0, "", ())


def _told(freeze: StandingFreeze) -> FreezeTold:
    spec = freeze.spec
    return FreezeTold(
        namespace=freeze.namespace,
        name=freeze.name,
        uid=freeze.uid[:64],
        first=spec.first.isoformat() if spec is not None and spec.first is not None else "",
        last=spec.last.isoformat() if spec is not None and spec.last is not None else "",
        time_zone=spec.time_zone if spec is not None else "",
        reason=spec.reason if spec is not None else "",
        by=freeze.editor[:253],
    )


def _reason(told: Sequence[FreezeTold]) -> str:
    names = ", ".join(f"{one.namespace}/{one.name}" for one in told[:_NAMED])
    others = ", ..." if len(told) > _NAMED else ""
    return f"there is PromotionFreeze {names}{others}" if told else "there is no PromotionFreeze"


def _digest(event: FreezesChanged) -> str:
    body = event.model_dump(mode="json", by_alias=True, include={"freezes", "more"})
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
