"""What the audit log has of a model, and whether a write that moves traffic finds its entry there."""

from __future__ import annotations

from typing import Any, Final

import orjson

from marquee.audit.events import Event, RetrainingChanged, RolloutStepped
from marquee.audit.statements import read_entry
from marquee.control.render.debts import Debt, read_debts
from tests.crash.proxy import Write
from tests.crash.traffic import LABEL, is_of_an_arm
from tests.support.ledger import Ledger

ENTRY: Final = "POST entries"
"""A write that enters something in the log."""
_ROLLOUT: Final = "marquee.dev/rollout"
_UNLOGGED: Final = "marquee.dev/unlogged"
_NEED_NOT_WAIT: Final = frozenset({"Rollback", "Abort", "Supersede", "Undo", "Reroute"})
_MODEL: Final = "lead"


class Entries:
    """The log of a running ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._owed: list[Debt] = []

    def of(self, namespace: str) -> list[RolloutStepped]:
        """A model's about its traffic, in their order."""
        return [event for event in self._events(namespace) if isinstance(event, RolloutStepped)]

    def of_runs(self, namespace: str) -> list[RetrainingChanged]:
        """Those about its retraining."""
        return [event for event in self._events(namespace) if isinstance(event, RetrainingChanged)]

    def _events(self, namespace: str) -> list[Event]:
        """All of a model; fails when the numbers have a gap."""
        audit = self._ledger.running.state.audit
        assert audit is not None
        log, found = audit.committer.log, list[Event]()
        for index in range(log.size):
            statement = read_entry(log.entry(index))
            if statement.stamp.model == f"{namespace}/{_MODEL}":
                found.append(statement.event)
                assert statement.stamp.sequence == len(found)
        return found

    def all(self, namespace: str) -> list[str]:
        """Each in short, without what differs between runs."""
        return [
            f"{one.verdict} step {one.step} {one.stage or 'alone'}{' late' if one.late else ''}: {_shares(one)}"
            for one in self.of(namespace)
        ]

    def missing_before(self, write: Write, namespace: str) -> list[str]:
        """What is wrong with a write that moves traffic, by the newest entry; nothing with any other.

        What may not wait is also good when the model's Service remembers that its entry is owed: a busy machine may
        answer later than the operator waits.
        """
        if write.method == "DELETE" or not _moves_traffic(write):
            return []
        if "/services" in write.path:
            self._owed = [debt for debt in read_debts(_annotation(write, _UNLOGGED)) if debt.verdict in _NEED_NOT_WAIT]
        leads = [_of_entry(one) for one in self.of(namespace)[-1:]] + [_of_debt(one) for one in self._owed[-1:]]
        found = _place_of(write)
        good = any(all(lead[key] == value for key, value in found.items()) for lead in leads)
        return [] if good else [f"{write.what} leads to {found}, and there is {leads}"]


Place = dict[str, Any]


def _of_entry(event: RolloutStepped) -> Place:
    return {"rollout": event.rollout, "step": event.step, "stage": event.stage, "shares": _shares(event)}


def _of_debt(debt: Debt) -> Place:
    decision = debt.decision
    shares = dict(decision.shares)
    return {"rollout": decision.rollout, "step": decision.step, "stage": decision.stage, "shares": shares}


def _moves_traffic(write: Write) -> bool:
    if "/services" in write.path:
        return not is_of_an_arm(write.body)
    return "/httproutes" in write.path


def _place_of(write: Write) -> Place:
    """As much of it as the object says."""
    if "/httproutes" in write.path:
        return {"shares": _routed(write.body)}
    if not (remembered := _annotation(write, _ROLLOUT)):
        return {"shares": {write.body["spec"]["selector"].get(LABEL): 1000}}
    record = orjson.loads(remembered)
    stage = record["result"] or ("Filling" if record.get("filling") else "Running")
    return {"rollout": record["name"], "step": record["step"], "stage": stage}


def _annotation(write: Write, name: str) -> str:
    return str(write.body.get("metadata", {}).get("annotations", {}).get(name, ""))


def _shares(event: RolloutStepped) -> dict[str, int]:
    return {share.revision: share.permille for share in event.shares}


def _routed(route: dict[str, Any]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for backend in route["spec"]["rules"][-1]["backendRefs"]:
        shares[backend["name"]] = shares.get(backend["name"], 0) + 10 * backend["weight"]
    return {name: permille for name, permille in sorted(shares.items()) if permille}
