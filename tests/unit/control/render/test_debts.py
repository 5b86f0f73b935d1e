"""What the audit log is owed, as a Service remembers it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marquee.control.render.debts import Debt, debts_text, read_debts
from marquee.control.snapshot import Decision

DECISION = Decision("lead-v2-0a1b2c3d", 1, "Aborted", (("lead-v1", 1000),), "uid", "2026-11-28T12:00:00.000+00:00")
DEBT = Debt(DECISION, "Abort", "aborted", "Aborted: by ana", (("lead-v1", 900), ("lead-v2", 100)))


def test_debts_are_read_as_they_were_written() -> None:
    """In their order; none is no annotation."""
    assert read_debts(debts_text([DEBT, DEBT])) == (DEBT, DEBT)
    assert (debts_text([]), read_debts(""), read_debts(None)) == ("", (), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"acted": "soon"},
        {"acted": "2026-11-28T12:00:00"},
        {"shares": []},
        {"shares": [["lead-v1", 1001]]},
        {"shares": [["x" * 3_000, 1000]]},
        {"shares": [[str(number), 1] for number in range(17)]},
        {"step": -1},
        {"stage": "x" * 33},
        {"rollout": "x" * 3_000},
    ],
    ids=str,
)
def test_what_no_entry_can_be_made_of_is_left_out(changes: dict[str, Any]) -> None:
    """Anybody who may edit the Service may write there, and must not stop the operator by it."""
    (body,) = json.loads(debts_text([DEBT]))
    body["decision"] |= changes
    assert read_debts(json.dumps([body, json.loads(debts_text([DEBT]))[0]])) == (DEBT,)


@pytest.mark.parametrize("text", ["{", "[]", "[1]", '[{"decision": {}}]', "null"])
def test_what_is_illegible_is_nothing(text: str) -> None:
    """As with the rollout's own annotation."""
    assert read_debts(text) == ()
