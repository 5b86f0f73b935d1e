"""Writes the state table as a page for people; `make generate` calls it for ``docs/states.md``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.control.decide.table import GLOSSARY, TABLE, Cause, Move, Row

_INTRODUCTION: Final = """\
<!-- Generated from operator/marquee/control/decide/table.py by `make generate`. Do not edit. -->
# States of a MarketingModel

The operator looks at a model, walks down this table and takes the first row that holds. The row names the phase
(`status.phase`), the reason of the `Ready` condition, and what may be written. Nothing is remembered between two
looks but what the API server holds: after a restart the same row holds again.
"""
_MOVES: Final = {
    Move.ENSURE: "children",
    Move.PROBE: "probe",
    Move.BEGIN: "first weight",
    Move.ADVANCE: "next weight",
    Move.FILL: "all pods",
    Move.WITHDRAW: "withdraw",
    Move.SWITCH: "switch",
    Move.SETTLE: "route",
    Move.PRUNE: "clean up",
}
_MOVES_EXPLAINED: Final = {
    "children": "ServiceAccount, NetworkPolicy, PodDisruptionBudget, the wanted revision's Deployment, the Service as "
    "it points now, with `spec.traffic` the arms' Services and the HTTPRoute with the present weight, and the "
    "HorizontalPodAutoscaler; each only when it does not say so already. The Deployment of "
    "another revision that serves is left as it is, and put back when somebody removed it.",
    "probe": "One prediction by a ready pod of the wanted revision.",
    "first weight": "The ledger is told what the rollout is judged by; the Service remembers the rollout, and the "
    "HTTPRoute gives the canary the first step's weight. Without a gateway the ledger is also told of the step that "
    "pods are to stamp, and the Service's selector takes in both arms.",
    "next weight": "The same with the next step's weight; without a gateway the canary is scaled up.",
    "all pods": "Without a gateway: the Service remembers that the last step is passed, and the canary is scaled up.",
    "withdraw": "The HTTPRoute gives all users to stable; the Service remembers why, and the canary has "
    "`drainSeconds` for its open connections.",
    "switch": "The Service's selector and the HTTPRoute are set to the wanted revision.",
    "route": "The HTTPRoute, as the end of the newest rollout asks for it.",
    "clean up": "Deployments and Services of revisions that are neither wanted, nor serving, nor draining, are "
    "removed.",
}


def render() -> str:
    """The page."""
    parts = [_INTRODUCTION, "## The table", _table(), "## Its words", _glossary()]
    parts += ["## What may be written", _moves(), "## Conditions", _conditions(), "## Reasons", _reasons()]
    return "\n".join(parts)


def _table() -> str:
    lines = ["| | row | when the wanted revision is | phase | reason | may write | meaning |", "|-|-|-|-|-|-|-|"]
    lines += [
        f"| {number} | {row.name} | {row.when.words} | `{row.phase.value}` | {_reason(row)} | {_written(row)} | "
        f"{row.meaning} |"
        for number, row in enumerate(TABLE, start=1)
    ]
    return "\n".join(lines) + "\n"


def _reason(row: Row) -> str:
    return f"`{row.reason.value}`" if isinstance(row.reason, Reason) else row.reason.value


def _written(row: Row) -> str:
    return ", ".join(word for move, word in _MOVES.items() if move in row.moves) or "nothing"


def _glossary() -> str:
    return "\n".join(f"- *{words}*: {meaning}." for words, meaning in GLOSSARY.items()) + "\n"


_LOG: Final = """\
With an [audit log](audit.md), what gives a revision more users (first weight, next weight, all pods, switch; a model's
first Service) is entered in it before it is written, and waits with the reason `AuditUnavailable` while that cannot be.
What takes users back (withdraw, an undo), or follows from a step that was entered before, does not wait: it is entered
afterwards, and the Service remembers until then that it is owed.
"""


def _moves() -> str:
    return "\n".join(f"- *{word}*: {text}" for word, text in _MOVES_EXPLAINED.items()) + f"\n\n{_LOG}"


def _conditions() -> str:
    """As kstatus reads them."""
    groups: dict[str, list[str]] = {"Ready": [], "Reconciling": [], "Stalled": []}
    for phase in Phase:
        if phase in (Phase.SERVING, Phase.DRAINING, Phase.EXTERNAL):
            groups["Ready"].append(f"`{phase.value}`")
        elif phase in (Phase.BLOCKED, Phase.FAILED, Phase.ROLLED_BACK):
            groups["Stalled"].append(f"`{phase.value}`")
        else:
            groups["Reconciling"].append(f"`{phase.value}`")
    lines = [
        f"- `Ready` is `True` in {', '.join(groups['Ready'])}, else `False`.",
        f"- `Reconciling` is there, and `True`, in {', '.join(groups['Reconciling'])}.",
        f"- `Stalled` is there, and `True`, in {', '.join(groups['Stalled'])}: somebody has to change something.",
        "- `StickyAssignment` is there, and `False`, while steps have no gateway: [traffic.md](traffic.md).",
        "- `SafeState` is `True` when the kill switch's fallback answers everybody: [governance.md](governance.md).",
        "- `GovernanceRecorded` is there, and `False`, while the audit log is owed entries: [audit.md](audit.md).",
    ]
    return "\n".join(lines) + "\n"


def _reasons() -> str:
    """Where a reason comes from when no row names it."""
    of_rows = {row.reason for row in TABLE}
    others = ", ".join(f"`{reason.value}`" for reason in Reason if reason not in of_rows)
    return (
        f"The rows above name theirs. {', '.join(f'*{cause.value}*' for cause in Cause)} stand for one of these; the "
        f"condition's message says what happened, where, and what to do: {others}.\n"
    )


def main() -> None:
    """Write the page into the file given as argument."""
    (path,) = sys.argv[1:]
    Path(path).write_text(render(), encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
