"""The state machine as data: the first row whose predicate holds names the phase, the reason and the moves.

The table is rendered into ``docs/states.md`` by `make generate`; a test walks every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Final

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.control.decide.facts import Facts


class Move(Flag):
    """What a row allows to be written."""

    NONE = 0
    ENSURE = auto()
    """identity, protection, the wanted revision's Deployment, and the Service as it points now"""
    PROBE = auto()
    """one prediction by a ready pod of the wanted revision"""
    SWITCH = auto()
    """point the Service at the wanted revision"""
    PRUNE = auto()
    """remove arms that nobody wants and nobody reaches"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``reason`` None: the diagnosis or the resolution gives it."""

    name: str
    when: Callable[[Facts], bool]
    phase: Phase
    reason: Reason | None
    moves: Move
    meaning: str


def _blocked(facts: Facts) -> bool:
    return facts.target is None


def _first(facts: Facts) -> bool:
    return facts.stable is None


def _ready(facts: Facts) -> bool:
    return facts.target is not None and facts.target.ready


def _broken(facts: Facts) -> bool:
    diagnosis = facts.target.diagnosis if facts.target is not None else None
    return diagnosis is not None and not diagnosis.may_pass


def _held_up(facts: Facts) -> bool:
    return facts.target is not None and facts.target.diagnosis is not None


def _verified(facts: Facts) -> bool:
    return facts.target is not None and facts.target.verified


def _refuted(facts: Facts) -> bool:
    return facts.target is not None and facts.target.probe_failure != "" and not facts.target.verified


def _absent_or_starting(facts: Facts) -> bool:
    return not _ready(facts)


def _lost(facts: Facts) -> bool:
    """It has served before, and no pod of it answers now."""
    return _first(facts) and _verified(facts) and facts.target is not None and not facts.target.available


_PREPARE: Final = Move.ENSURE | Move.PRUNE

TABLE: Final[tuple[Row, ...]] = (
    Row("no revision", _blocked, Phase.BLOCKED, None, Move.NONE,
        "spec.revision names no usable revision: nothing is touched, what serves keeps serving"),
    Row("broken", lambda facts: not _ready(facts) and _broken(facts), Phase.FAILED, None, _PREPARE,
        "the wanted revision's pods say why they cannot serve; stable, if any, keeps serving"),
    Row("held up", lambda facts: not _ready(facts) and _held_up(facts), Phase.PREPARING, None, _PREPARE,
        "something that may pass by itself keeps the wanted revision's pods from starting"),
    Row("lost", _lost, Phase.PREPARING, Reason.STABLE_UNAVAILABLE, _PREPARE,
        "the serving revision has no available pod"),
    Row("starting", lambda facts: _absent_or_starting(facts) and not _verified(facts), Phase.PREPARING,
        Reason.PREPARING, _PREPARE,
        "the wanted revision's pods are coming up beside stable"),
    Row("changing", _absent_or_starting, Phase.PREPARING, Reason.SCALING, _PREPARE,
        "the wanted revision has served before; its pods are being replaced or their number changed"),
    Row("refuted", _refuted, Phase.FAILED, Reason.PROBE_FAILED, _PREPARE | Move.PROBE,
        "the pods are ready and their answer is wrong; asked again every 10 seconds"),
    Row("unproven", lambda facts: not _verified(facts), Phase.PREPARING, Reason.PROBING, _PREPARE | Move.PROBE,
        "the pods are ready; one of them predicts the artifact's example and names the bytes it serves"),
    Row("proven", lambda facts: not _first(facts), Phase.SWITCHING, Reason.SWITCHING, _PREPARE | Move.SWITCH,
        "the Service is pointed at the wanted revision"),
    Row("draining", lambda facts: bool(facts.draining), Phase.DRAINING, Reason.DRAINING, _PREPARE,
        "the previous revision's pods finish what their open connections ask"),
    Row("serving", lambda _: True, Phase.SERVING, Reason.SERVING, _PREPARE,
        "the wanted revision answers users, with the wanted number of pods"),
)  # fmt: skip


def match(facts: Facts) -> Row:
    """The first row that holds; the last one always does."""
    return next(row for row in TABLE if row.when(facts))
