"""The state machine as data: the first row whose predicate holds names the phase, the reason and the moves.

The table is rendered into ``docs/states.md`` by `make generate`; a test walks every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import Final

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.control.decide.facts import Facts
from marquee.tables import Fact


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
    when: Fact[Facts]
    phase: Phase
    reason: Reason | None
    moves: Move
    meaning: str


def _is_broken(facts: Facts) -> bool:
    diagnosis = facts.target.diagnosis if facts.target is not None else None
    return diagnosis is not None and not diagnosis.may_pass


_BLOCKED: Final[Fact[Facts]] = Fact("without a revision to run", lambda facts: facts.target is None)
_BESIDE: Final[Fact[Facts]] = Fact("beside stable", lambda facts: facts.stable is not None)
_READY: Final[Fact[Facts]] = Fact("ready", lambda facts: facts.target is not None and facts.target.ready)
_AVAILABLE: Final[Fact[Facts]] = Fact("available", lambda facts: facts.target is not None and facts.target.available)
_PROVEN: Final[Fact[Facts]] = Fact("proven", lambda facts: facts.target is not None and facts.target.verified)
_REFUTED: Final[Fact[Facts]] = Fact(
    "refuted", lambda facts: facts.target is not None and facts.target.probe_failure != ""
)
_BROKEN: Final[Fact[Facts]] = Fact("broken", _is_broken)
_HELD_UP: Final[Fact[Facts]] = Fact(
    "held up", lambda facts: facts.target is not None and facts.target.diagnosis is not None
)
_DRAINING: Final[Fact[Facts]] = Fact("draining", lambda facts: bool(facts.draining))
_ALWAYS: Final[Fact[Facts]] = Fact("otherwise", lambda _: True)

GLOSSARY: Final = {
    _BLOCKED.words: "`spec.revision` names no ModelRevision of this model, or the spec cannot be read",
    _BESIDE.words: "the Service points at another revision",
    _READY.words: "the wanted revision has all its pods, each of the current template and available",
    _AVAILABLE.words: "at least one pod of the wanted revision answers",
    _PROVEN.words: "a probe prediction by one of its pods named the right model, revision and digest, "
    "now or before it became stable",
    _REFUTED.words: "the last probe prediction failed, or named something else",
    _BROKEN.words: "a pod, the kubelet or the Deployment says why the wanted revision cannot serve",
    _HELD_UP.words: "the same, or a cause that may pass by itself, such as a missing node",
    _DRAINING.words: "the revision that users left has time for its open connections (`spec.rollout.drainSeconds`)",
}
"""What the words of the facts mean."""

_PREPARE: Final = Move.ENSURE | Move.PRUNE

TABLE: Final[tuple[Row, ...]] = (
    Row("no revision", _BLOCKED, Phase.BLOCKED, None, Move.NONE,
        "spec.revision names no usable revision: nothing is touched, what serves keeps serving"),
    Row("broken", ~_READY & _BROKEN, Phase.FAILED, None, _PREPARE,
        "the wanted revision's pods say why they cannot serve; stable, if any, keeps serving"),
    Row("held up", ~_READY & _HELD_UP, Phase.PREPARING, None, _PREPARE,
        "something that may pass by itself keeps the wanted revision's pods from starting"),
    Row("lost", ~_BESIDE & _PROVEN & ~_AVAILABLE, Phase.PREPARING, Reason.STABLE_UNAVAILABLE, _PREPARE,
        "the serving revision has no available pod"),
    Row("starting", ~_READY & ~_PROVEN, Phase.PREPARING, Reason.PREPARING, _PREPARE,
        "the wanted revision's pods are coming up beside stable"),
    Row("changing", ~_READY, Phase.PREPARING, Reason.SCALING, _PREPARE,
        "the wanted revision has served before; its pods are being replaced or their number changed"),
    Row("refuted", _REFUTED & ~_PROVEN, Phase.FAILED, Reason.PROBE_FAILED, _PREPARE | Move.PROBE,
        "the pods are ready and their answer is wrong; asked again every 10 seconds"),
    Row("unproven", ~_PROVEN, Phase.PREPARING, Reason.PROBING, _PREPARE | Move.PROBE,
        "the pods are ready; one of them predicts the artifact's example and names the bytes it serves"),
    Row("proven", _BESIDE, Phase.SWITCHING, Reason.SWITCHING, _PREPARE | Move.SWITCH,
        "the Service is pointed at the wanted revision"),
    Row("draining", _DRAINING, Phase.DRAINING, Reason.DRAINING, _PREPARE,
        "the previous revision's pods finish what their open connections ask"),
    Row("serving", _ALWAYS, Phase.SERVING, Reason.SERVING, _PREPARE,
        "the wanted revision answers users, with the wanted number of pods"),
)  # fmt: skip


def match(facts: Facts) -> Row:
    """The first row that holds; the last one always does."""
    return next(row for row in TABLE if row.when.holds(facts))
