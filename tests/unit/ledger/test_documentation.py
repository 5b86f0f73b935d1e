"""docs/ledger.md says what the ledger does."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Final

from marquee.ledger.book.verifying import verify
from marquee.ledger.settings import PREFIX, Settings
from marquee.ledger.store.database import Database
from tests.support.ledger import Ledger, Sender, settings_of
from tests.support.plainhttp import http_client

ROOT: Final = Path(__file__).resolve().parents[3]
DOCS: Final = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
SOURCE: Final = ROOT / "operator" / "marquee" / "ledger"


def section(title: str) -> str:
    """The text of one chapter."""
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_setting_is_documented_with_its_default() -> None:
    """The table names each variable once, with the default that it has."""
    documented: dict[str, str] = {}
    for line in section("Settings").splitlines():
        if line.startswith("| `"):
            _, names, given, _, _ = line.split("|")
            found = [PREFIX + name for name in re.findall(r"`(?:MARQUEE_LEDGER)?_([A-Z_]+)`", names)]
            documented |= dict(zip(found, re.findall(r"`([^`]*)`", given) or [""], strict=True))
    assert documented == {PREFIX + name.upper(): shown(value) for name, value in Settings().model_dump().items()}


def shown(value: object) -> str:
    """A default as the documentation writes it."""
    if isinstance(value, tuple):
        return ",".join(value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def test_every_kind_of_error_is_documented() -> None:
    """Each kind that the source can answer with is in the table, and the table has no other."""
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    kinds = set(re.findall(r'"((?:[a-z]+-)+[a-z]+|malformed|busy|forbidden|unauthenticated)"', text))
    documented = {kind for line in section("Errors").splitlines() for kind in re.findall(r"`([a-z-]+)`", line)} - {
        "type", "detail",
    }  # fmt: skip
    not_kinds = {"content-type", "if-none-match", "new-key", "retry-after", "www-authenticate", "marquee-ledger",
                 "exposure-not-seen"}  # fmt: skip
    assert documented == kinds - not_kinds


def test_documented_backup_is_a_whole_book(tmp_path: Path) -> None:
    """The statement of the documentation makes a consistent copy while the ledger runs."""
    (statement,) = re.findall(r"VACUUM INTO '([^']+)'", DOCS)
    assert statement.startswith("/var/lib/marquee/")
    with Ledger(settings_of(tmp_path)) as ledger, http_client(ledger.url) as http:
        sender = Sender(http, "growth/lead")
        sender.expose(sender.batch(["ann", "bob"]))
        connection = sqlite3.connect(tmp_path / "ledger.db")
        connection.execute(f"VACUUM INTO '{tmp_path / 'backup.db'}'")
        connection.close()
    copy = Database(f"sqlite:///{tmp_path / 'backup.db'}")
    with copy.reader.begin() as reader:
        assert verify(reader) == []
        assert reader.exec_driver_sql("SELECT exposures FROM cohorts").scalar_one() == 2
    copy.dispose()


def test_documented_examples_are_what_the_ledger_takes(tmp_path: Path) -> None:
    """The declaration of the documentation is accepted, and counts what the page says."""
    (declaration,) = re.findall(r"`(\{\"metrics\": .*?\})` \|", DOCS)
    with Ledger(settings_of(tmp_path)) as ledger, http_client(ledger.url) as http:
        sender = Sender(http, "growth/lead")
        assert sender.declare(*json.loads(declaration)["metrics"]).status_code == 201
        sender.expose(sender.batch(["ann"]))
        prediction = sender.predict("ann")
        bought = sender.report({"predictionId": prediction, "outcome": "purchase"})
        assert bought.text == '{"counted":1,"duplicate":0,"pending":0,"refused":0,"results":[]}'
        sender.report({"predictionId": prediction, "outcome": "revenue", "value": 39.9})
        assert sender.cohorts()[0, "canary"]["outcomes"]["revenue"]["sum"] == "3990"
