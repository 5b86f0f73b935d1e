"""Entries that the audit log is owed, as the model's Service remembers them: traffic that could not wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from marquee.api.rollout import MAX_STEPS
from marquee.audit.events import StepVerdict
from marquee.control.snapshot import Decision

_TEXT_LIMIT: Final = 2_000
_STAGE_LIMIT: Final = 32
_WHOLE: Final = 1_000
MAX_DEBTS: Final = 16
"""An annotation has room for some; the newest are kept."""


@dataclass(frozen=True, slots=True)
class Debt:
    """One change of traffic that was made before its entry; its decision says when."""

    decision: Decision
    verdict: StepVerdict
    rule: str
    reason: str
    before: tuple[tuple[str, int], ...] = ()


_DEBTS: Final = TypeAdapter(tuple[Debt, ...])


def debts_text(debts: Sequence[Debt]) -> str:
    """The annotation's text; empty when nothing is owed."""
    return orjson.dumps([asdict(debt) for debt in debts], option=orjson.OPT_SORT_KEYS).decode() if debts else ""


def read_debts(text: str | None) -> tuple[Debt, ...]:
    """What is owed by an annotation's text; nothing when it is none of ours: anybody who may edit a Service may write
    into it, and no entry could be made of some of that.
    """
    try:
        debts = _DEBTS.validate_json(text) if text else ()
    except ValidationError:
        return ()
    return tuple(debt for debt in debts if _is_sound(debt))


def _is_sound(debt: Debt) -> bool:
    decision = debt.decision
    try:
        acted = datetime.fromisoformat(decision.acted)
    except ValueError:
        return False
    texts = (debt.rule, debt.reason, decision.rollout, decision.stage, decision.uid, *dict(decision.shares))
    shares = (*decision.shares, *debt.before)
    return (
        acted.tzinfo is not None
        and 0 <= decision.step <= MAX_STEPS
        and 0 < len(decision.shares) <= MAX_DEBTS >= len(debt.before)
        and all(len(text) <= _TEXT_LIMIT for text in (*texts, *dict(debt.before)))
        and len(decision.stage) <= _STAGE_LIMIT
        and all(0 <= permille <= _WHOLE for _, permille in shares)
    )
