"""Decisions that are kept to be explained: of a sample of subjects, with the inputs that the spec allows and no other.

The event loop copies what is allowed of a row and nothing else; names, texts and batches are made of it in the
reporter's thread. Whether a subject is in the sample follows from a hash that has nothing to do with the buckets of
rollouts and the holdout: a sample by bucket would keep decisions of one arm alone.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from bentos.front.callers import Caller
from bentos.front.columns import CategoryColumn
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from bentos.front.schema import Rows, Schema
from marquee.contract.cohort import Cohort
from marquee.contract.ledger import ArmName
from marquee.contract.privacy import MAX_LOGGED_INPUTS, MAX_RECORDS, LoggedDecision, LoggedValue, PrivacySettings

log = logging.getLogger(__name__)

FULL_DECISIONS: Final = 500
"""So many are handed over before the second is over."""
MAX_VALUES: Final = 2**18
"""Numbers in memory, some 8 MB; only a stalled reporter lets so many come together."""
_OWN_VALUES: Final = 8
"""A decision itself takes as much memory as so many numbers."""
BATCH_BYTES: Final = 2**20
"""The ledger takes four of these."""
_SAMPLE: Final = b"marquee prediction log"
_PERMILLE: Final = 1_000

Explain = Callable[[Rows], Mapping[str, float]]
"""What the inputs of a row, shape (1, fields), added to its answer, by name. Called in the reporter's thread."""


class Decision(NamedTuple):
    """One row as the event loop remembers it."""

    subject: bytes
    milliseconds: int
    cohort: Cohort | None
    inputs: list[float]
    outputs: list[float]
    row: Rows | None
    """All of the inputs, while somebody is to explain them."""


def is_sampled(unit: bytes, permille: int) -> bool:
    """Whether a subject's decisions are kept: all or none of them, in every pod of every revision."""
    digest = blake2b(unit, digest_size=8, key=_SAMPLE).digest()
    return int.from_bytes(digest, "big") % _PERMILLE < permille


@dataclass(frozen=True)
class Form:
    """What a decision of one revision looks like."""

    model: str
    """``namespace/name``."""
    revision: str
    settings: PrivacySettings
    schema: Schema
    outputs: tuple[str, ...]
    explain: Explain | None = None

    def positions(self) -> list[int]:
        """Where the inputs that are kept stand in a row."""
        return [self.schema.index[name] for name in self.settings.log_inputs]


class DecisionLog:
    """Gathers decisions; for the event loop alone.

    Args:
        form: of the decisions.
        statistics: of the reporter, for what has to be dropped.
        on_full: called when enough are there.
        clock: seconds since 1970.

    """

    def __init__(
        self,
        form: Form,
        statistics: Statistics,
        on_full: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._form = form
        self._positions = form.positions()
        self._width = (
            _OWN_VALUES + len(self._positions) + len(form.outputs) + (form.schema.width if form.explain else 0)
        )
        self._statistics = statistics
        self._on_full = on_full
        self._clock = clock
        self._decisions: list[Decision] = []

    @property
    def pending(self) -> bool:
        """Whether there is something to hand over."""
        return bool(self._decisions)

    def samples(self, caller: Caller) -> bool:
        """Whether decisions about whom this caller names are kept; nobody's are who is not named."""
        return caller.named is not None and is_sampled(caller.named, self._form.settings.log_permille)

    def note(self, rows: Rows, values: Sequence[Sequence[float]], caller: Caller) -> None:
        """Remember what was answered, by output and row, about whom the caller names."""
        if caller.named is None:
            return
        if (len(self._decisions) + len(rows)) * self._width > MAX_VALUES:
            self._statistics.drop(Kind.DECISIONS, Reason.BUFFER_FULL, len(rows))
            return
        moment = int(self._clock() * 1_000)
        inputs = rows[:, self._positions].tolist()
        for number, outputs in enumerate(zip(*values, strict=True)):
            row = rows[number : number + 1] if self._form.explain is not None else None
            self._decisions.append(Decision(caller.named, moment, caller.cohort, inputs[number], list(outputs), row))
        if len(self._decisions) >= FULL_DECISIONS:
            self._on_full()

    def take(self) -> Decisions:
        """Hand over what was gathered, and begin anew."""
        decisions, self._decisions = self._decisions, []
        return Decisions(self._form, decisions)


class Decisions:
    """Some decisions of one form, for the reporter's thread."""

    def __init__(self, form: Form, decisions: Sequence[Decision]) -> None:
        self._form = form
        self._decisions = decisions

    def batches(self) -> Iterator[Batch]:
        """Batches within the contract's bounds, each with an id of its own."""
        texts = {name: _texts_of(self._form.schema.columns[self._form.schema.index[name]]) for name in self._names}
        printed: list[bytes] = []
        size = 0
        for decision in self._decisions:
            body = self._told(decision, texts).model_dump_json(by_alias=True, exclude_defaults=True).encode()
            if printed and (len(printed) == MAX_RECORDS or size + len(body) > BATCH_BYTES):
                yield self._batch(printed)
                printed, size = [], 0
            printed.append(body)
            size += len(body)
        if printed:
            yield self._batch(printed)

    @property
    def _names(self) -> tuple[str, ...]:
        return self._form.settings.log_inputs

    def _batch(self, printed: Sequence[bytes]) -> Batch:
        form = self._form
        body: dict[str, Any] = {
            "batchId": os.urandom(16).hex(),
            "model": form.model,
            "revision": form.revision,
            "retentionDays": form.settings.log_retention_days,
            "decisions": [orjson.Fragment(one) for one in printed],
        }
        return Batch(Kind.DECISIONS, orjson.dumps(body), len(printed))

    def _told(self, decision: Decision, texts: Mapping[str, Sequence[str] | None]) -> LoggedDecision:
        cohort = decision.cohort
        arm: ArmName | None = None if cohort is None else ("canary" if cohort.arm else "stable")
        return LoggedDecision(
            subject=decision.subject.hex(),
            milliseconds=decision.milliseconds,
            rollout=None if cohort is None else cohort.rollout,
            arm=arm,
            inputs={
                name: _told_value(value, texts[name]) for name, value in zip(self._names, decision.inputs, strict=True)
            },
            outputs=dict(zip(self._form.outputs, decision.outputs, strict=True)),
            reasons=self._reasons(decision),
        )

    def _reasons(self, decision: Decision) -> dict[str, float]:
        """The attributions that weigh most; none where nobody explains, or where that failed."""
        if self._form.explain is None or decision.row is None:
            return {}
        try:
            reasons = self._form.explain(decision.row)
        except Exception:
            log.exception("a decision is kept without reasons")
            return {}
        finite = [reason for reason in reasons.items() if math.isfinite(reason[1])]
        return dict(sorted(finite, key=lambda reason: -abs(reason[1]))[:MAX_LOGGED_INPUTS])


def _texts_of(column: object) -> Sequence[str] | None:
    """The categories by their index; None: the column holds numbers."""
    if not isinstance(column, CategoryColumn):
        return None
    listed = [(index, text) for text, index in column.indexes.items() if isinstance(text, str)]
    return [text for _, text in sorted(listed)]


def _told_value(value: float, texts: Sequence[str] | None) -> LoggedValue:
    """A value as the caller would name it. A text that no list has is the category that the model took it for."""
    if math.isnan(value):
        return None
    return value if texts is None else texts[int(value)][:256]
