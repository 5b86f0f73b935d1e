"""The audit log over HTTP: who may append, what is refused, and what anybody can read and verify."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from marquee.audit.events import Stamp
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import Statement, read_stamp, write_entry
from marquee.audit.verify_offline import verify
from marquee.contract.audit import ENTRY_TYPE
from marquee.contract.audit_paths import (
    AUDIT_ENTRIES_PATH,
    AUDIT_LOG_PATH,
    AUDIT_MODELS_PATH,
    AUDIT_POLICY_PATH,
    AUDIT_PROOFS_PATH,
)
from marquee.ledger import auditing
from marquee.ledger.__main__ import main
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.reviews import Review, ServiceAccounts
from marquee.ledger.errors import SettingsError
from marquee.ledger.settings import PREFIX
from tests.support.audit.logs import AUTHOR, SUBJECT, event
from tests.support.ledger import LOG_NAME, LOG_SEED, Ledger, keeping_a_log, settings_of
from tests.support.plainhttp import http_client

BEGINNING: Final = datetime(2026, 11, 28, tzinfo=UTC)
OTHER: Final = PrivateKey("somebody.example", Use.LOG, bytes([7] * 32))


@dataclass
class Author:
    """Appends a model's entries, one after the other."""

    http: httpx.Client
    model: str = "growth/lead"
    indices: list[int] = field(default_factory=list)

    def entry(self, permille: int = 50, *, key: PrivateKey = AUTHOR, **changes: Any) -> bytes:
        """The next one."""
        stamp = {
            "model": self.model,
            "sequence": len(self.indices) + 1,
            "time": BEGINNING + timedelta(seconds=len(self.indices)),
            "previous": self.indices[-1] if self.indices else None,
            "author": AUTHOR.public.text,
        }
        return write_entry(Statement(Stamp(**(stamp | changes)), event(permille), (SUBJECT,)), [key])

    def send(self, entry: bytes, **headers: str) -> httpx.Response:
        """POST it."""
        return self.http.post(AUDIT_ENTRIES_PATH, content=entry, headers={"content-type": ENTRY_TYPE, **headers})

    def append(self, count: int = 1) -> None:
        """Some entries, all taken."""
        for _ in range(count):
            answer = self.send(self.entry())
            assert answer.status_code == 200, answer.text
            assert answer.json()["sequence"] == len(self.indices) + 1
            self.indices.append(answer.json()["index"])


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that keeps a log."""
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as ledger:
        yield ledger


@pytest.fixture
def client(kept: Ledger) -> Iterator[httpx.Client]:
    with http_client(kept.url, timeout=30) as http:
        yield http


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition(":")[2]


def test_an_entry_is_taken_once(client: httpx.Client) -> None:
    """The answer says where it is; sent again, after its answer was lost, it is where it was."""
    author = Author(client)
    entry = author.entry()
    answers = [author.send(entry) for _ in range(3)]
    assert [answer.json() for answer in answers] == 3 * [{"model": "growth/lead", "sequence": 1, "index": 0}]
    assert client.get(AUDIT_ENTRIES_PATH).json()["size"] == 1


def test_entries_of_many_senders_share_their_writes(kept: Ledger) -> None:
    """What waits meanwhile is one group: far fewer durable writes than entries, and each is found where it was put."""

    def fill(number: int) -> list[int]:
        with http_client(kept.url, timeout=60) as http:
            author = Author(http, f"growth/m{number}")
            author.append(10)
            return author.indices

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(fill, range(16)))
    assert sorted(index for indices in found for index in indices) == list(range(160))
    assert kept.running.state.audit is not None
    assert kept.running.state.audit.committer.counters.groups < 160


@pytest.mark.parametrize(
    ("changes", "status", "kind", "words"),
    [
        ({"sequence": 3}, 409, "sequence-gap", "append entry 2 first"),
        ({"sequence": 1, "previous": None}, 409, "sequence-reused", "belongs to another entry, at index 0"),
        ({"previous": 7}, 422, "entry-invalid", "names 7 as the index before it, which is 0"),
        ({"previous": None}, 422, "entry-invalid", "names None as the index before it, which is 0"),
        ({"author": ""}, 422, "entry-invalid", "predicate.author"),
        ({"key": OTHER}, 422, "entry-unsigned", "is signed by none of the authors operator.example"),
        ({"permille": 7, "author": OTHER.public.text}, 422, "entry-unsigned", "is signed by none of the authors"),
    ],
    ids=["gap", "number of another", "wrong link", "no link", "nobody", "not signed", "another's name"],
)
def test_what_does_not_follow_is_refused(
    client: httpx.Client, changes: dict[str, Any], status: int, kind: str, words: str
) -> None:
    """With a reason, and nothing of it in the log."""
    author = Author(client)
    author.append()
    answer = author.send(author.entry(**({"permille": 60} | changes)))
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    assert words in answer.json()["detail"]
    assert client.get(AUDIT_ENTRIES_PATH).json()["size"] == 1


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 422, "entry-invalid"),
        (b"{}", 422, "entry-invalid"),
        (b"x" * 65_536, 413, "entry-too-large"),
        (b"\xff" * 100, 422, "entry-invalid"),
    ],
)
def test_what_is_no_entry_is_refused(client: httpx.Client, body: bytes, status: int, kind: str) -> None:
    """Whatever else comes through the door."""
    answer = Author(client).send(body)
    assert (answer.status_code, kind_of(answer)) == (status, kind)


class Reviewer:
    """Knows two tokens; the real API server is asked in tests/api."""

    async def review(self, token: str, audience: str) -> Review:
        """The operator's, and a predictor's."""
        names = {
            "op": "system:serviceaccount:marquee-system:marquee",
            "pod": "system:serviceaccount:growth:lead-predictor",
        }
        return Review(names.get(token, ""), f"not for {audience}")


def test_only_the_operator_appends_and_everybody_reads(tmp_path: Path) -> None:
    """By its service account, as with its other writes; a log that only some may read convinces nobody."""
    gate = Gate(None, ServiceAccounts(Reviewer(), frozenset({"marquee-system:marquee"})))
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    with Ledger(settings, authenticator=gate) as ledger, http_client(ledger.url) as http:
        author = Author(http)
        entry = author.entry()
        assert author.send(entry).status_code == 401
        assert author.send(entry, authorization="Bearer pod").status_code == 403
        assert author.send(entry, authorization="Bearer op").status_code == 200
        for path in (AUDIT_ENTRIES_PATH, f"{AUDIT_MODELS_PATH}/growth/lead", AUDIT_POLICY_PATH, "/metrics"):
            assert http.get(path).status_code == 200
        assert http.get(AUDIT_PROOFS_PATH, params={"index": 0}).status_code == 200
        assert http.get(AUDIT_LOG_PATH + "/checkpoint").status_code == 200


def test_a_models_entries_are_found_by_their_links(client: httpx.Client) -> None:
    """Also those that are older than what is kept in memory, page by page, the newest first."""
    lead, churn = Author(client), Author(client, "growth/churn")
    for _ in range(4):
        lead.append(30)
        churn.append(5)
    path, found, params = f"{AUDIT_MODELS_PATH}/growth/lead", list[int](), {"limit": 25}
    while True:
        page = client.get(path, params=params).json()
        assert page["size"] == 140
        found += [one["index"] for one in page["entries"]]
        previous = read_stamp(base64.b64decode(page["entries"][-1]["entry"])).previous
        if previous is None:
            break
        params["from"] = previous
    assert found == lead.indices[::-1]
    assert client.get(f"{AUDIT_MODELS_PATH}/growth/other").json()["entries"] == []
    assert kind_of(client.get(path, params={"from": churn.indices[0]})) == "entry-unknown"
    assert kind_of(client.get(path, params={"from": 4_000})) == "entry-unknown"
    assert kind_of(client.get(path, params={"from": "-1"})) == "malformed"


def test_a_long_history_is_proven_page_by_page(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer has a bound; the pages one after the other are one file, also where bundles have become full."""
    monkeypatch.setattr(auditing, "MAX_PROOFS", 100)
    author = Author(client)
    author.append(300)
    pages = [client.get(f"{AUDIT_PROOFS_PATH}/growth/lead", params={"first": first}).text for first in (1, 101, 201)]
    assert [page.count("\nindex ") for page in pages] == [100, 100, 100]
    trust, proofs = tmp_path / "policy", tmp_path / "proofs"
    trust.write_text(client.get(AUDIT_POLICY_PATH).text, encoding="utf-8")
    proofs.write_text("".join(pages), encoding="utf-8")
    assert any("growth/lead up to number 300" in word for word in verify(proofs, trust))


def test_proofs_hold_without_the_ledger(client: httpx.Client, tmp_path: Path) -> None:
    """The standalone verifier accepts them by the policy that the ledger tells, also of an entry a moment ago."""
    author = Author(client)
    author.append(5)
    trust, proofs = tmp_path / "policy", tmp_path / "lead.tlog-proof"
    trust.write_text(client.get(AUDIT_POLICY_PATH).text, encoding="utf-8")
    assert PrivateKey(LOG_NAME, Use.LOG, LOG_SEED).public.text in trust.read_text(encoding="utf-8")
    proofs.write_text(client.get(f"{AUDIT_PROOFS_PATH}/growth/lead", params={"first": 2}).text, encoding="utf-8")
    words = verify(proofs, trust)
    assert any("growth/lead up to number 5" in word for word in words)
    assert sum("by operator.example" in word for word in words) == 4
    for path in (f"{AUDIT_PROOFS_PATH}/growth/other", f"{AUDIT_PROOFS_PATH}?index=9"):
        assert kind_of(client.get(path)) == "entry-unknown"
    assert kind_of(client.get(AUDIT_PROOFS_PATH)) == kind_of(client.get(AUDIT_PROOFS_PATH, params={"index": "x"}))


def test_a_copy_over_http_is_the_whole_log(client: httpx.Client, tmp_path: Path) -> None:
    """Checkpoint, tiles and bundles are where readers of tlog-tiles look for them; nothing else of the folder is."""
    Author(client).append(3)
    assert client.get(AUDIT_PROOFS_PATH, params={"index": 2}).status_code == 200  # the checkpoint covers all of them
    copy = tmp_path / "copy"
    for path in ("checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"):
        answer = client.get(f"{AUDIT_LOG_PATH}/{path}")
        assert answer.status_code == 200, path
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(answer.content)
    trust = tmp_path / "policy"
    trust.write_text(client.get(AUDIT_POLICY_PATH).text, encoding="utf-8")
    assert f"the log {LOG_NAME} has exactly these 3 entries, as its key signed them" in verify(copy, trust)
    for path in ("sequences.json", ".lock", "..%2faudit-log%2fkey", "tile/0/001", "pending/00000000000000000000"):
        assert client.get(f"{AUDIT_LOG_PATH}/{path}").status_code == 404, path


def test_what_was_entered_survives_the_ledger(tmp_path: Path) -> None:
    """The next process goes on where the last one ended, and still recognises what it is sent again."""
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    indices: list[int] = []
    for _ in range(2):
        with Ledger(settings) as ledger, http_client(ledger.url) as http:
            author = Author(http, indices=indices)
            author.append(2)
            assert "author operator.example" in http.get(AUDIT_POLICY_PATH).text
    assert indices == [0, 1, 2, 3]


def test_a_ledger_without_a_log_says_so(tmp_path: Path) -> None:
    """Whoever asks the wrong one is told which setting would make it the right one."""
    with Ledger(settings_of(tmp_path)) as ledger, http_client(ledger.url) as http:
        for answer in (Author(http).send(Author(http).entry()), http.get(AUDIT_ENTRIES_PATH)):
            assert (answer.status_code, kind_of(answer)) == (404, "no-audit-log")
        assert "marquee_audit" not in http.get("/metrics").text


def test_metrics_tell_the_size_and_the_signature(client: httpx.Client) -> None:
    """How many entries there are, how many are signed, and how long one has waited for that."""
    Author(client).append(3)
    assert client.get(AUDIT_PROOFS_PATH, params={"index": 2}).status_code == 200
    samples = dict(
        line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line.startswith("marquee_audit")
    )
    assert (float(samples["marquee_audit_entries"]), float(samples["marquee_audit_appended_total"])) == (3, 3)
    assert float(samples["marquee_audit_checkpoint_entries"]) == 3
    assert float(samples["marquee_audit_unsigned_seconds"]) == 0
    assert float(samples["marquee_audit_checkpoint_timestamp_seconds"]) > 1_700_000_000
    assert float(samples["marquee_audit_failures_total"]) == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda keys: (keys / "key").unlink(), "the key cannot be read"),
        (lambda keys: (keys / "key").write_text("\n"), "has no key"),
        (lambda keys: (keys / "key").write_text("abc"), "is no private key"),
        (lambda keys: (keys / "key").write_text("12" * 32), "none of the trusted keys"),
        (lambda keys: (keys / "retired").write_text("abc"), "retired"),
    ],
    ids=["missing", "empty", "no key", "another log's", "retired"],
)
def test_without_its_key_no_ledger_starts(tmp_path: Path, spoil: Any, why: str) -> None:
    """A log that cannot be signed would accept what nobody could ever prove; the reason says which file."""
    given = keeping_a_log(tmp_path)
    with Ledger(settings_of(tmp_path, **given)):
        pass
    spoil(given["audit_keys_path"])
    with pytest.raises(SettingsError, match=why), Ledger(settings_of(tmp_path, **given)):
        pass


def test_a_second_ledger_is_refused(kept: Ledger, tmp_path: Path) -> None:
    """A log has one writer; two would show two histories."""
    assert kept.running.port
    with (
        pytest.raises(SettingsError, match="is written by another process"),
        Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))),
    ):
        pass


def test_fsck_beside_the_running_ledger(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the ledger's own settings; a changed byte is found, with its file."""
    Author(client).append(3)
    assert client.get(AUDIT_PROOFS_PATH, params={"index": 2}).status_code == 200
    for name, value in keeping_a_log(tmp_path).items():
        monkeypatch.setenv(PREFIX + name.upper(), str(value))
    assert main(["fsck"]) == 0
    assert capsys.readouterr().out == "3 entries, 3 of them in the checkpoint; 0 findings\n"
    tile = tmp_path / "log" / "tile" / "0" / "000.p" / "3"
    content = tile.read_bytes()
    tile.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert main(["fsck"]) == 1
    assert capsys.readouterr().out.startswith("tile/0/000.p/3: ")
    monkeypatch.delenv(PREFIX + "AUDIT_PATH")
    assert main(["fsck"]) == 78
    assert "set MARQUEE_LEDGER_AUDIT_PATH" in capsys.readouterr().err


def test_entries_are_typed(client: httpx.Client) -> None:
    """What comes back is what was signed, byte for byte."""
    author = Author(client)
    entry = author.entry(permille=123)
    author.send(entry)
    (only,) = client.get(AUDIT_ENTRIES_PATH, params={"from": 0, "limit": 1}).json()["entries"]
    assert base64.b64decode(only["entry"]) == entry
