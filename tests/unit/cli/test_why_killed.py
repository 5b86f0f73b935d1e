"""``why`` after a kill: the incident stands above the decision that users are served by."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from marquee.cli.screen import Screen
from marquee.cli.why import find, why_lines
from tests.unit.control.decide.test_kill_switch import a_world, kill


@dataclass(frozen=True)
class Entries:
    """A ledger with these entries, all of one model."""

    raw: tuple[bytes, ...]

    def get(self, path: str) -> str:
        """The newest first, as the ledger answers."""
        assert path.startswith("/v1/audit/models/crm/churn?limit=")
        found = [{"index": index, "entry": base64.b64encode(entry).decode()} for index, entry in enumerate(self.raw)][
            ::-1
        ]
        return json.dumps({"size": len(found), "entries": found})


def test_who_engaged_it_why_and_how_long_the_halt_took() -> None:
    """And afterwards that it was lifted."""
    world = a_world()
    kill(world)
    world.settle()
    at = datetime.max.replace(tzinfo=UTC)
    answer = find(Entries(tuple(world.log.raw)), "crm/churn", at)
    text = "\n".join(why_lines("crm/churn", answer, None, Screen()))
    assert "now: churn-rules 100 %" in text
    assert "by anna: prices are wrong; nobody was sent elsewhere after " in text
    kill(world, on=False)
    world.reconcile()
    answer = find(Entries(tuple(world.log.raw)), "crm/churn", at)
    assert "switch lifted by anna" in "\n".join(why_lines("crm/churn", answer, None, Screen()))
