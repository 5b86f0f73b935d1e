"""``why`` tells of freezes: those over the model's namespace or all, between their days, by the log's list of then."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from marquee.audit.events import FreezesChanged, FreezeTold, Stamp, Subject
from marquee.audit.statements import Statement, write_entry
from marquee.cli.exits import Exit
from marquee.cli.frozen import freezes_at
from marquee.cli.logged import Logged, OverHttp
from marquee.cli.main import main
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.unit.control.decide.test_logged_histories import play
from tests.unit.control.decide.test_ramp_histories import ENDS
from tests.unit.control.logged_worlds import AUTHOR, LoggedRampWorld

DAY: Final = timedelta(days=1)
LISTED: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""When the list was entered; another one, with nothing on it, follows 100 years later."""
SALE: Final = {"namespace": "test", "name": "peak", "reason": "sale", "time_zone": "Europe/Berlin", "by": "anna"}
DECISION: Final = Logged(0, {"predicate": {"actor": AUTHOR.actor}})


def listing(number: int, time: datetime, *freezes: dict[str, Any]) -> bytes:
    """An entry of the operator whose namespace is ``test``; of two its first follows a rollout's four entries."""
    event = FreezesChanged(actor=AUTHOR.actor, freezes=tuple(FreezeTold(**one) for one in freezes))
    stamp = Stamp(
        model="test/.freezes",
        sequence=number,
        time=time,
        previous=4 if number > 1 else None,
        author=AUTHOR.key.public.text,
    )
    return write_entry(Statement(stamp, event, (Subject(name="freezes", sha256="0" * 64),)), [AUTHOR.key])


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A model's rollout."""
    world = play(ENDS["promoted"][0], LoggedRampWorld())
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as running:
        enter(running, *world.log.raw)
        yield running


def enter(ledger: Ledger, *entries: bytes) -> None:
    with httpx.Client(base_url=ledger.url, trust_env=False) as http:
        for entry in entries:
            answer = http.post(AUDIT_ENTRIES_PATH, content=entry)
            assert answer.status_code == 200, answer.text


def test_why_says_what_is_frozen(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    """Which freeze, why, its days and who has changed it; as JSON what the entry has."""
    command = ("why", "churn", "-n", "crm", "--ledger-url", ledger.url)
    assert main(list(command)) == Exit.DONE
    assert "frozen" not in capsys.readouterr().out
    days = {"first": "2020-01-01", "last": "2119-12-31"}
    enter(ledger, listing(1, LISTED, SALE | days, SALE | {"namespace": "growth", "name": "not-here"}))
    assert main(list(command)) == Exit.DONE
    told = "  frozen    PromotionFreeze test/peak: sale, 2020-01-01 to 2119-12-31 Europe/Berlin, by anna (entry 4)"
    assert told in capsys.readouterr().out.splitlines()
    assert main([*command, "-o", "json"]) == Exit.DONE
    (frozen,) = json.loads(capsys.readouterr().out)["freezes"]
    assert (frozen["name"], frozen["timeZone"]) == ("peak", "Europe/Berlin")


def test_the_list_of_then_counts(ledger: Ledger) -> None:
    """Not one that was entered later, nor one from before it became another."""
    enter(ledger, listing(1, LISTED, SALE), listing(2, LISTED + 100 * DAY))
    found = [
        [one.told["name"] for one in freezes_at(OverHttp(ledger.url), DECISION, "crm/churn", at)]
        for at in (LISTED - DAY, LISTED, LISTED + 99 * DAY, LISTED + 100 * DAY)
    ]
    assert found == [[], ["peak"], ["peak"], []]


CASES: Final[dict[str, tuple[dict[str, Any], str, str]]] = {
    # the freeze, now, its words
    "before its first day": ({"first": "2026-11-20"}, "2026-11-19T22:59", ""),
    "on its first day": ({"first": "2026-11-20"}, "2026-11-19T23:00", "test/peak, from 2026-11-20 Europe/Berlin"),
    "on its last day": ({"last": "2026-11-20"}, "2026-11-20T22:59", "test/peak, until 2026-11-20 Europe/Berlin"),
    "after its last day": ({"last": "2026-11-20"}, "2026-11-20T23:00", ""),
    "without days": ({"reason": "audit"}, "2026-11-20T23:00", "test/peak: audit"),
    "in a zone that is none": (
        {"time_zone": "Mars", "first": "2099-01-01"}, "2026-11-20T23:00", "test/peak, from 2099-01-01 Mars",
    ),
    "one that the operator could not read": ({"time_zone": ""}, "2026-11-20T23:00", "test/peak"),
    "of the model's namespace": ({"namespace": "crm"}, "2026-11-20T23:00", "crm/peak"),
    "of another namespace": ({"namespace": "growth"}, "2026-11-20T23:00", ""),
}  # fmt: skip


class OneList:
    """A ledger whose only entry lists one freeze."""

    def __init__(self, freeze: dict[str, Any]) -> None:
        self.entry = listing(1, LISTED, freeze)

    def get(self, path: str) -> str:
        """As the ledger answers."""
        assert path.startswith("/v1/audit/models/test/.freezes?limit=")
        return json.dumps({"size": 1, "entries": [{"index": 0, "entry": base64.b64encode(self.entry).decode()}]})


@pytest.mark.parametrize(("freeze", "now", "words"), CASES.values(), ids=CASES)
def test_when_one_of_the_list_holds(freeze: dict[str, Any], now: str, words: str) -> None:
    """By the days that it lists, as the operator reckons them."""
    body = {"namespace": "test", "name": "peak", "time_zone": "Europe/Berlin"} | freeze
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = [one.words for one in freezes_at(OneList(body), DECISION, "crm/churn", at)]
    assert found == ([f"PromotionFreeze {words} (entry 0)"] if words else [])
