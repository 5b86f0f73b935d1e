"""Erasure of a data subject: nothing can be read any more, the log says so once, and no interruption undoes it."""

from __future__ import annotations

import base64
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select

from marquee.audit.errors import StoreFullError
from marquee.audit.events import INSTALLATION, SubjectErased
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import read_entry
from marquee.audit.verify_offline import verify
from marquee.cli.main import main as cli
from marquee.contract.assignment import unit_hash
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH, AUDIT_POLICY_PATH, AUDIT_PROOFS_PATH
from marquee.contract.privacy import ERASURES_PATH, PREDICTION_LOG_PATH
from marquee.ledger.auditing import KeptLog
from marquee.ledger.book.entries import DestroyKey, Entry, Forget, MarkErased, Reply
from marquee.ledger.book.verifying import verify as verify_book
from marquee.ledger.committing import Committer
from marquee.ledger.errors import StoreUnavailableError
from marquee.ledger.store.database import Database
from marquee.ledger.store.subjects_schema import decisions, subjects
from tests.support.audit.logs import AUTHOR
from tests.support.ledger import LOG_NAME, LOG_SEED, Ledger, Sender, keeping_a_log, settings_of
from tests.support.people import People, kind_of
from tests.support.plainhttp import http_client

LOG_KEY: Final = PrivateKey(LOG_NAME, Use.LOG, LOG_SEED)
LEAD: Final = "growth/lead"


class CrashedError(Exception):
    """The process ends here."""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that keeps a log."""
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as ledger:
        yield ledger


@pytest.fixture
def client(kept: Ledger) -> Iterator[httpx.Client]:
    with http_client(kept.url, timeout=60) as http:
        yield http


def erasures(http: httpx.Client) -> list[SubjectErased]:
    """What the log says of them."""
    entries = http.get(AUDIT_ENTRIES_PATH, params={"from": 0, "limit": 100}).json()["entries"]
    events = [read_entry(base64.b64decode(one["entry"])).event for one in entries]
    return [event for event in events if isinstance(event, SubjectErased)]


def test_nothing_of_a_subject_is_left(sender: Sender, http: httpx.Client, database: Database) -> None:
    """Over both stores: its decisions cannot be read, its rows are gone, and those of others stay."""
    people = People(http, sender.model)
    people.log("ann", "bob")
    people.log("ann")
    (erased,) = people.erase("ann").json()["erased"]
    assert (erased["model"], erased["decisions"], erased["index"]) == (sender.model, 2, None)
    found = people.ask("ann")
    assert (found["decisions"], found["suppressed"]) == ([], True)
    assert people.kept("bob") == 1
    with database.reader.begin() as connection:
        forgotten = connection.execute(select(subjects).where(subjects.c.forgotten_at.is_not(None))).all()
        assert {(bytes(row.key), bytes(row.unit), row.asked) for row in forgotten} == {(b"", b"", None)}
        ids = [row.id for row in forgotten]
        assert connection.execute(select(decisions).where(decisions.c.subject_id.in_(ids))).all() == []


def test_who_is_not_known_is_not_told_of(sender: Sender, http: httpx.Client) -> None:
    """Nor is who was erased before; the answer is an empty list each time."""
    people = People(http, sender.model)
    people.log("ann")
    assert len(people.erase("ann").json()["erased"]) == 1
    assert people.erase("ann").json() == {"erased": []}
    assert people.erase("carl").json() == {"erased": []}


def test_every_model_that_knows_somebody(client: httpx.Client) -> None:
    """By the identifier alone, whose hash is another in each model; on none's list unless that is wanted."""
    lead, churn, search = (People(client, model) for model in (LEAD, "growth/churn", "shop/search"))
    for people in (lead, churn):
        people.log("ann")
    search.log("bob")
    erased = lead.erase("ann", model=None, suppress=False).json()["erased"]
    assert [one["model"] for one in erased] == ["growth/churn", LEAD]
    assert len({one["commitment"] for one in erased}) == 2
    assert [one["index"] for one in erased] == [0, 1]
    assert not any(people.ask("ann")["suppressed"] for people in (lead, churn, search))
    assert search.kept("bob") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": None},
        {"unitHash": "00" * 8},
        {"unit": None, "unitHash": "00" * 8, "model": None},
        {"reason": "Ann asked"},
    ],
)
def test_a_request_that_names_nobody_or_too_much(client: httpx.Client, changes: dict[str, Any]) -> None:
    """Two names, none, a hash without its model, or a reason in words, which could name somebody in the log."""
    given = {"unit": "ann", "model": LEAD} | changes
    body = {name: value for name, value in given.items() if value is not None}
    assert client.post(ERASURES_PATH, json=body).status_code == 422


def test_what_the_log_says_can_be_proven(
    client: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the log's own key, for the installation, without a word on who it was; the command says what that proves."""
    lead = People(client, LEAD)
    lead.log("ann@example.org")
    (erased,) = lead.erase("ann@example.org", reason="ConsentWithdrawn").json()["erased"]
    (event,) = erasures(client)
    assert (event.commitment, event.concerned, event.reason) == (erased["commitment"], LEAD, "ConsentWithdrawn")
    trust, proof = tmp_path / "policy", tmp_path / "erased.tlog-proof"
    policy = client.get(AUDIT_POLICY_PATH).text + f"author {AUTHOR.public.text}\n"
    assert f"author {LOG_KEY.public.text}" not in policy
    trust.write_text(policy, encoding="utf-8")
    proof.write_text(client.get(AUDIT_PROOFS_PATH, params={"index": erased["index"]}).text, encoding="utf-8")
    assert any(f"by {LOG_NAME}:" in word for word in verify(proof, trust))
    assert cli(["audit", "verify", str(proof), "--trust", str(trust)]) == 0
    said = capsys.readouterr().out
    assert "the key of one subject of growth/lead was to be destroyed" in said
    assert "that it was destroyed" in said.partition("NOT PROVEN")[2]
    stored = b"".join(path.read_bytes() for path in (tmp_path / "log").rglob("*") if path.is_file())
    for text in (b"ann@example.org", unit_hash(LEAD, "ann@example.org").hex().encode()):
        assert text not in base64.b64decode(client.get(AUDIT_ENTRIES_PATH).json()["entries"][0]["entry"])
        assert text not in stored


def test_the_key_is_nowhere_on_the_disk(client: httpx.Client, kept: Ledger, tmp_path: Path) -> None:
    """Not in a free part of a page, and not in SQLite's log: what was there is overwritten."""
    lead = People(client, LEAD)
    for start in range(0, 2_000, 500):
        lead.log(*(f"u{number}" for number in range(start, start + 500)))
    with kept.running.state.database.reader.begin() as connection:
        keys = [bytes(key) for key in connection.execute(select(subjects.c.key)).scalars()]
    erased = [lead.erase(f"u{number}", suppress=False) for number in range(0, 2_000, 100)]
    assert all(len(answer.json()["erased"]) == 1 for answer in erased)
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("ledger.db*"))
    assert sum(key in stored for key in keys) == 2_000 - 20


def test_two_at_once_are_one(client: httpx.Client) -> None:
    """Whoever asks second finds it done: one entry, one receipt."""
    lead = People(client, LEAD)
    lead.log("ann")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: lead.erase("ann").json()["erased"], range(8)))
    assert sorted(map(len, answers)) == [0] * 7 + [1]
    assert len(erasures(client)) == 1


def test_what_comes_late_does_not_bring_somebody_back(client: httpx.Client) -> None:
    """A pod's spool may hold decisions from before; what is decided afterwards is a new subject's."""
    lead = People(client, LEAD)
    lead.log("ann")
    before = time.time() - 60
    lead.erase("ann", suppress=False)
    lead.erase("bob", suppress=False)
    lead.log("ann", "bob", at=before)
    assert (lead.kept("ann"), lead.kept("bob")) == (0, 0)
    lead.log("ann", "bob", at=time.time() + 2)
    assert (lead.kept("ann"), lead.kept("bob")) == (1, 1)
    assert len(lead.erase("ann").json()["erased"]) == 1


def test_a_rollouts_integers_stay_and_the_hash_goes(client: httpx.Client, kept: Ledger, tmp_path: Path) -> None:
    """The book still agrees with its rows, and no row of the open rollout says whose it is."""
    sender, people = Sender(client, LEAD), People(client, LEAD)
    sender.declare({"outcome": "buy"}, {"outcome": "revenue", "kind": "Mean"})
    sender.expose(sender.batch(["ann", "bob"]))
    sender.report({"predictionId": sender.predict("ann"), "outcome": "buy"})
    sender.report({"predictionId": sender.predict("ann"), "outcome": "revenue", "value": 5})
    sender.report({"predictionId": sender.predict("carl"), "outcome": "buy"})
    people.log("zoe")
    counted = sender.statistics()
    for unit in ("ann", "carl"):
        people.erase(unit)
    assert sender.statistics() == counted
    with kept.running.state.database.reader.begin() as connection:
        assert verify_book(connection) == []
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        for table in ("exposures", "pending", "unit_values", "outcomes"):
            units = {unit for (unit,) in connection.execute(f"SELECT unit FROM {table}")}  # noqa: S608 - ours
            for name in ("ann", "carl"):
                assert int.from_bytes(unit_hash(LEAD, name), "big", signed=True) not in units
            assert units


def crashing(step: str) -> tuple[type, str, Callable[..., Any]]:
    """What to replace so that the process ends at a step: class, method, and the new one."""
    enter, submit, scrub = KeptLog.enter_own, Committer.submit, Database.scrub

    async def before_entry(self: KeptLog, *arguments: Any) -> int:  # noqa: ARG001 - it is a method
        raise CrashedError

    async def after_entry(self: KeptLog, *arguments: Any) -> int:
        await enter(self, *arguments)
        raise CrashedError

    def around(kind: type, *, after: bool) -> Callable[..., Any]:
        async def submitted(self: Committer, entry: Entry, records: int = 1) -> Reply:
            if isinstance(entry, kind) and not after:
                raise CrashedError
            reply = await submit(self, entry, records)
            if isinstance(entry, kind):
                raise CrashedError
            return reply

        return submitted

    def after_scrub(self: Database) -> bool:
        scrub(self)
        raise CrashedError

    steps: dict[str, tuple[type, str, Callable[..., Any]]] = {
        "before the mark": (Committer, "submit", around(MarkErased, after=False)),
        "after the mark": (Committer, "submit", around(MarkErased, after=True)),
        "before the entry": (KeptLog, "enter_own", before_entry),
        "after the entry": (KeptLog, "enter_own", after_entry),
        "before the key": (Committer, "submit", around(DestroyKey, after=False)),
        "after the key": (Committer, "submit", around(DestroyKey, after=True)),
        "after the scrubbing": (Database, "scrub", after_scrub),
        "before the rest": (Committer, "submit", around(Forget, after=False)),
        "after the rest": (Committer, "submit", around(Forget, after=True)),
    }
    return steps[step]


@pytest.mark.parametrize(
    "step",
    ["before the mark", "after the mark", "before the entry", "after the entry", "before the key", "after the key",
     "after the scrubbing", "before the rest", "after the rest"],
)  # fmt: skip
def test_an_erasure_that_is_interrupted_ends_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Exactly once, at whichever step the ledger was ended; before its mark it has not begun."""
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
        People(http, LEAD).log("ann", "bob")
        with monkeypatch.context() as patch:
            patch.setattr(*crashing(step))
            assert People(http, LEAD).erase("ann").status_code == 500
            # the process is gone: nothing that it would do by itself later happens
            ledger.running.state.eraser.finish = None  # type: ignore[method-assign,assignment]
    begun = step != "before the mark"
    with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
        people, deadline = People(http, LEAD), time.monotonic() + 60
        while begun and time.monotonic() < deadline and unfinished(ledger):
            time.sleep(0.02)
        assert unfinished(ledger) == 0
        assert len(erasures(http)) == begun
        assert people.kept("ann") == (not begun)
        assert people.kept("bob") == 1
        assert len(people.erase("ann").json()["erased"]) == (not begun)
        assert len(erasures(http)) == 1


def unfinished(ledger: Ledger) -> int:
    with ledger.running.state.database.reader.begin() as connection:
        return len(connection.execute(select(subjects.c.id).where(subjects.c.erasing.is_not(None))).all())


def full_log(self: KeptLog, *arguments: Any) -> int:  # noqa: ARG001 - it is a method
    raise StoreFullError("pending/7", "no space is left", "enlarge the volume")


async def full_database(self: Committer, entry: Entry, records: int = 1) -> Reply:
    if isinstance(entry, DestroyKey):
        raise StoreUnavailableError("the ledger's database does not take entries at the moment; send it again")
    return await _submit(self, entry, records)


_submit = Committer.submit


def unwritable(self: Database) -> bool:
    """As a disk that is full when SQLite's log is written back; of a database of its own."""
    elsewhere = Database("sqlite:////nowhere/ledger.db")
    assert self.is_sqlite
    return _scrub(elsewhere)


_scrub = Database.scrub


@pytest.mark.parametrize(
    ("kind", "name", "broken"),
    [
        (KeptLog, "_enter_own", full_log),
        (Committer, "submit", full_database),
        (Database, "scrub", lambda self: False),  # noqa: ARG005 - it is a method
        (Database, "scrub", unwritable),
    ],
    ids=["the log's disk is full", "the database's disk is full", "somebody reads an older state", "not written back"],
)
def test_an_erasure_that_cannot_end_now(
    client: httpx.Client, kept: Ledger, monkeypatch: pytest.MonkeyPatch, kind: type, name: str, broken: Any
) -> None:
    """Is not lost: from then on nothing of the subject is told or taken, and it ends when the reason is gone."""
    lead = People(client, LEAD)
    lead.log("ann")
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, broken)
        answer = lead.erase("ann", suppress=False)
        assert (answer.status_code, kind_of(answer)) == (503, "erasure-pending")
        assert answer.headers["retry-after"]
        lead.log("ann", at=time.time() + 1)
        assert lead.kept("ann") == 0
        assert unfinished(kept) == 1
    (erased,) = lead.erase("ann").json()["erased"]
    assert unfinished(kept) == 0
    assert [one.commitment for one in erasures(client)] == [erased["commitment"] or erasures(client)[0].commitment]
    assert lead.erase("ann").json() == {"erased": []}


def test_a_clock_that_went_back(client: httpx.Client, kept: Ledger) -> None:
    """The entry has the time of the one before it, and says how far the clock was behind."""
    lead = People(client, LEAD)
    lead.log("ann", "bob")
    audit = kept.running.state.audit
    assert audit is not None
    lead.erase("ann")
    audit._clock = lambda: time.time() - 3_600
    assert len(lead.erase("bob").json()["erased"]) == 1
    first, second = (
        read_entry(base64.b64decode(one["entry"])).stamp
        for one in client.get(AUDIT_ENTRIES_PATH, params={"from": 0}).json()["entries"]
    )
    assert second.time == first.time
    assert 3_590 <= second.clock_behind_seconds <= 3_600
    assert (second.model, second.sequence, second.previous) == (INSTALLATION, 2, 0)


def test_a_ledger_without_the_log_does_not_erase(tmp_path: Path) -> None:
    """Where another one with the same database keeps it: an erasure that nobody enters could not be proven."""
    settings = settings_of(tmp_path, audit_url="http://marquee-audit.marquee-system.svc:8090")
    with Ledger(settings) as ledger, http_client(ledger.url) as http:
        people = People(http, LEAD)
        people.log("ann")
        answer = people.erase("ann")
        assert (answer.status_code, kind_of(answer)) == (409, "log-elsewhere")
        assert "http://marquee-audit.marquee-system.svc:8090" in answer.json()["detail"]
        assert people.kept("ann") == 1
        assert http.get(f"{PREDICTION_LOG_PATH}/{LEAD}", params={"unit": "ann"}).status_code == 200


def test_a_restored_backup_brings_nobody_back(tmp_path: Path) -> None:
    """Whom the newer log calls erased is forgotten again, by what a key that is back gives, without another entry."""
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
        People(http, LEAD).log("ann", "bob", "carl")
        assert len(People(http, LEAD).erase("bob").json()["erased"]) == 1
    (tmp_path / "backup.db").write_bytes((tmp_path / "ledger.db").read_bytes())
    with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
        assert len(People(http, LEAD).erase("ann").json()["erased"]) == 1
    (tmp_path / "ledger.db").write_bytes((tmp_path / "backup.db").read_bytes())
    for _ in range(2):
        with Ledger(settings) as ledger, http_client(ledger.url, timeout=30) as http:
            people, deadline = People(http, LEAD), time.monotonic() + 60
            while people.kept("ann") and time.monotonic() < deadline:
                time.sleep(0.02)
            assert (people.kept("ann"), people.kept("bob"), people.kept("carl")) == (0, 0, 1)
            assert len(erasures(http)) == 2
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT count(*) FROM subjects WHERE key <> x''").fetchone() == (1,)
