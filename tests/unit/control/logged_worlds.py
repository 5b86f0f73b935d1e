"""The small cluster with an audit log: every write that changes traffic is held against what the log has by then."""

from __future__ import annotations

import base64
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from marquee.audit.events import RolloutStepped
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import Statement, read_entry
from marquee.contract.audit import EnteredReply, LoggedEntry
from marquee.control.decide.plan import Apply, Entry, Plan
from marquee.control.kinds import HTTP_ROUTE, SERVICE
from marquee.control.ledger.entering import Author, DecisionLog
from marquee.control.ledger.errors import LedgerError, LedgerUnavailableError, OutOfSequenceError
from marquee.control.render import names
from marquee.control.render.debts import read_debts
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Decision, Snapshot
from tests.unit.control.builders import MODEL, NAMESPACE
from tests.unit.control.pods_world import PodsWorld
from tests.unit.control.ramp_world import RampWorld

AUTHOR: Final = Author(PrivateKey("operator.example", Use.LOG, bytes([2] * 32)), "operator test/test-0", "0.0.0")


@dataclass
class Log:
    """What the ledger's log does with entries, in a list: the real one is asked in `tests/unit/control/ledger`."""

    world: RampWorld
    statements: list[Statement] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    away: bool = False
    loses_answers: bool = False
    """What is entered is durable, and nobody is told."""

    async def newest_entries(self, model: str) -> tuple[LoggedEntry, ...]:
        """The last ones."""
        assert model == f"{NAMESPACE}/{MODEL}"
        self._require()
        found = [LoggedEntry(index=index, entry=base64.b64encode(raw).decode()) for index, raw in enumerate(self.raw)]
        return tuple(reversed(found))

    async def append_entry(self, entry: bytes) -> EnteredReply:
        """The next one, and no other."""
        self._require()
        statement = read_entry(entry)
        stamp = statement.stamp
        if stamp.sequence != len(self.raw) + 1:
            raise OutOfSequenceError("POST", 409, "sequence-reused", "it is not the next one")
        assert stamp.previous == (len(self.raw) - 1 if self.raw else None)
        self.world._write("enter")
        self.raw.append(entry)
        self.statements.append(statement)
        if self.loses_answers:
            raise LedgerUnavailableError("no answer within 2 s")
        return EnteredReply(model=stamp.model, sequence=stamp.sequence, index=len(self.raw) - 1)

    def _require(self) -> None:
        if self.away:
            raise LedgerUnavailableError("connection refused")

    @property
    def events(self) -> list[RolloutStepped]:
        """What was entered."""
        return [one.event for one in self.statements if isinstance(one.event, RolloutStepped)]

    @property
    def verdicts(self) -> list[str]:
        """In short."""
        return [event.verdict for event in self.events]

    @property
    def decisions(self) -> list[Decision]:
        """Where each leads."""
        return [decision_of(event) for event in self.events]


def decision_of(event: RolloutStepped) -> Decision:
    """Where an entry leads."""
    shares = tuple(sorted((share.revision, share.permille) for share in event.shares))
    acted = event.acted.isoformat(timespec="milliseconds") if event.acted is not None else ""
    return Decision(event.rollout, event.step, event.stage, shares, event.model_uid, acted)


@dataclass
class Logged(RampWorld):
    """Mixed into a world: its operator enters what it decides."""

    log: Log = field(init=False)
    unentered: list[str] = field(default_factory=list)
    """Writes that changed traffic without an entry and without a debt."""
    _hand: DecisionLog = field(init=False)
    _again: bool = False

    def __post_init__(self) -> None:
        self.log = Log(self)
        self._hand = self._new_hand()
        super().__post_init__()

    def _new_hand(self) -> DecisionLog:
        return DecisionLog(self.log, AUTHOR, now=lambda: self.now)

    def snapshot(self) -> Snapshot:
        """With what the operator knows of the log."""
        return replace(super().snapshot(), audit=self._hand.reading((NAMESPACE, MODEL)))

    def restart_operator(self) -> None:
        """What was only in memory is gone; a refusal is no restart."""
        if not self._refused:
            self._hand = self._new_hand()
        super().restart_operator()

    def reconcile(self, *, die_after: int | None = None) -> Plan:
        """One pass, and another one at once when the first has learned that the log is not to be had."""
        plan = super().reconcile(die_after=die_after)
        if self._again:
            self._again = False
            plan = super().reconcile(die_after=die_after)
        return plan

    def _enter(self, entries: tuple[Entry, ...]) -> None:
        try:
            _run(self._hand.enter((NAMESPACE, MODEL), entries))
        except LedgerError:
            if entries[-1].decision.acted:
                return
            self._refused, self._again = True, not entries[-1].must_wait
            self._writes_left = 0
            self._write("refused")

    def _apply(self, apply: Apply) -> None:
        before = self._traffic()
        super()._apply(apply)
        after = self._traffic()
        if after != before and not self._is_entered(after):
            self.unentered.append(f"{self.writes[-1]}: {before} -> {after}; the log has {self.log.decisions[-2:]}")

    def debts(self) -> tuple[Decision, ...]:
        """What the Service says that the log is owed."""
        service = self.objects.get((SERVICE, MODEL))
        text = service["metadata"]["annotations"].get(names.ANNOTATION_UNLOGGED) if service else None
        return tuple(debt.decision for debt in read_debts(text))

    def _traffic(self) -> tuple[dict[str, int] | None, str | None, RolloutRecord | None]:
        """What the route says, whom the Service reaches, and the rollout that it remembers."""
        route, record = self.objects.get((HTTP_ROUTE, MODEL)), self.record
        shares: dict[str, int] = {}
        for backend in route["spec"]["rules"][-1]["backendRefs"] if route is not None else ():
            shares[backend["name"]] = shares.get(backend["name"], 0) + 10 * backend["weight"]
        place = replace(record, evidence=(), counts=(), stamping=False) if record is not None else None
        return shares or None, self._reached_by_service(), place

    def _reached_by_service(self) -> str | None:
        service = self.objects.get((SERVICE, MODEL))
        return None if service is None else service["spec"]["selector"].get(names.LABEL_REVISION, "both arms")

    def _is_entered(self, after: tuple[dict[str, int] | None, str | None, RolloutRecord | None]) -> bool:
        """Whether the newest entry, or the newest debt, leads where the write has led."""
        shares, reached, record = after
        newest = (*self.log.decisions[-1:], *self.debts()[-1:])
        for decision in newest:
            leads = dict(decision.shares)
            stage = (
                ""
                if record is None
                else record.result.value
                if record.result
                else "Filling"
                if record.filling
                else "Running"
            )
            is_place = record is None or (decision.rollout, decision.step, decision.stage) == (
                record.name,
                record.step,
                stage,
            )
            if is_place and (leads == shares if self._routed() else self._is_by_pods(leads, reached)):
                return True
            # the Service goes first, and the route follows by the same entry
            if is_place and self._routed() and self.writes[-1] == f"apply Service {MODEL}":
                return True
        return False

    def _routed(self) -> bool:
        return "traffic" in self.model["spec"]

    @staticmethod
    def _is_by_pods(leads: dict[str, int], reached: str | None) -> bool:
        return len(leads) == 2 if reached == "both arms" else leads == {reached: 1000}


@dataclass
class LoggedRampWorld(Logged):
    """With a gateway."""


@dataclass
class LoggedPodsWorld(Logged, PodsWorld):
    """Without one."""


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Nothing here waits for anything."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")
