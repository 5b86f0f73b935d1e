"""Whom a run must not learn from: asked of the ledger, and left out of the rows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from marquee.contract.assignment import unit_hash
from marquee.contract.manifest import NumberField
from marquee.contract.privacy import SuppressionsReply
from marquee.contract.retraining import RunSetting
from marquee.contract.training import TrainingError
from models.data.examples import Selection, read_examples
from models.data.suppressed import Suppressed, suppressed_of

MODEL = "marketing/lead"
QUICK = (0.0, 0.0)


class Books:
    """A ledger over HTTP that answers what a test writes down."""

    def __init__(self) -> None:
        self.answers: deque[tuple[int, bytes]] = deque()
        self.asked: list[tuple[str, str]] = []
        """Paths and credentials."""
        self.url = ""

    def page(self, *units: str, after: str | None = None) -> None:
        reply = SuppressionsReply(revision=3, units=units, next=after)
        self.answers.append((200, reply.model_dump_json(by_alias=True).encode()))


@pytest.fixture
def books() -> Iterator[Books]:
    books = Books()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            books.asked.append((self.path, self.headers.get("authorization", "")))
            status, body = books.answers.popleft() if books.answers else (500, b"nothing is written down")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    books.url = f"http://127.0.0.1:{server.server_address[1]}/prefix/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield books
    server.shutdown()
    thread.join()
    server.server_close()


def environment(books: Books, **more: str) -> dict[str, str]:
    return {RunSetting.LEDGER_URL: books.url, RunSetting.NAMESPACE: "marketing", **more}


def test_a_run_that_is_told_of_no_ledger_leaves_nobody_out() -> None:
    """As the operator leaves the variable empty where there is nobody to leave out."""
    assert suppressed_of({}, "lead") is None
    assert suppressed_of({RunSetting.LEDGER_URL: " "}, "lead") is None


def test_all_pages_are_read_by_the_runs_own_token(books: Books, tmp_path: Path) -> None:
    """The token is read from its file, as the kubelet renews it there."""
    token = tmp_path / "token"
    token.write_text("t0ken\n", encoding="ascii")
    books.page("00" * 8, "11" * 8, after="11" * 8)
    books.page("ff" * 8)
    found = suppressed_of(environment(books, **{RunSetting.LEDGER_TOKEN: str(token)}), "lead")
    assert found == Suppressed(MODEL, frozenset({bytes(8), b"\x11" * 8, b"\xff" * 8}))
    path = "/prefix/v1/suppressions/marketing/lead"
    assert books.asked == [(path, "Bearer t0ken"), (f"{path}?after={'11' * 8}", "Bearer t0ken")]


def test_a_ledger_that_is_being_restarted_fails_no_run(books: Books) -> None:
    """It is asked again; an answer that nobody understands counts as none."""
    books.answers.extend([(503, b""), (200, b"<html>")])
    books.page("00" * 8)
    found = suppressed_of(environment(books), "lead", pauses_seconds=QUICK)
    assert found is not None
    assert len(found.units) == 1


@pytest.mark.parametrize(
    ("answers", "words", "tries"),
    [
        ([(500, b"broken")] * 3, "500: broken; tried 3 times", 3),
        ([(200, b'{"revision": 1, "units": ["x"]}')] * 3, "not understood", 3),
        ([(403, b"another's")], "403: another's; the run needs a service account of the model's namespace", 1),
        ([(401, b"who?")], "401: who?", 1),
        ([(404, b"what?")], "a ledger of this version", 1),
    ],
)
def test_a_list_that_cannot_be_read_fails_the_run(
    books: Books, answers: list[tuple[int, bytes]], words: str, tries: int
) -> None:
    """With a reason of its own: nobody is learned from by accident. What no other try can mend is not tried again."""
    books.answers.extend(answers)
    with pytest.raises(TrainingError) as caught:
        suppressed_of(environment(books), "lead", pauses_seconds=QUICK)
    assert caught.value.failure.reason == "SuppressionsUnavailable"
    assert words in caught.value.failure.message
    assert len(books.asked) == tries


def test_pages_that_do_not_end_are_no_list(books: Books) -> None:
    """A ledger that points back would be asked for ever."""
    for _ in range(6):
        books.page("11" * 8, after="11" * 8)
    with pytest.raises(TrainingError, match="pages do not end"):
        suppressed_of(environment(books), "lead", pauses_seconds=QUICK)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({RunSetting.NAMESPACE: ""}, "ArgumentsInvalid"),
        ({RunSetting.LEDGER_URL: "ledger:80"}, "SuppressionsUnavailable"),
        ({RunSetting.LEDGER_URL: "http://ledger:eighty"}, "SuppressionsUnavailable"),
        ({RunSetting.LEDGER_URL: "http://127.0.0.1:9"}, "SuppressionsUnavailable"),
        ({RunSetting.LEDGER_TOKEN: "/nowhere/token"}, "SuppressionsUnavailable"),
    ],
)
def test_what_the_run_is_told_wrongly_is_said(books: Books, change: dict[str, str], reason: str) -> None:
    """Before anything is trained."""
    with pytest.raises(TrainingError) as caught:
        suppressed_of(environment(books, **change), "lead", pauses_seconds=())
    assert caught.value.failure.reason == reason


def test_rows_of_the_suppressed_are_left_out_and_counted(tmp_path: Path) -> None:
    """By the hash of the entity as it is written; whoever is left out for something before counts there."""
    table = tmp_path / "rows.csv"
    lines = ["timestamp,entity,label,consent,x", "2024-01-01T00:00:00Z,anna,1,1,1", "2024-01-02T00:00:00Z,bob,0,1,2"]
    lines += ["2024-01-03T00:00:00Z,anna,0,0,3", "2024-01-04T00:00:00Z,anna,0,1,4", "2024-01-05T00:00:00Z,,1,1,5"]
    table.write_text("\n".join(lines), encoding="utf-8")
    gone = Suppressed(MODEL, frozenset({unit_hash(MODEL, "anna"), unit_hash("marketing/other", "bob")}))
    fields = (NumberField(name="x"),)

    def read(suppressed: Suppressed | None) -> Any:
        return read_examples(str(table), fields, Selection(suppressed=suppressed), setting="--data")

    examples, quality = read(gone)
    assert examples.rows.tolist() == [[2.0], [5.0]]
    left = quality.to_json()["rowsLeftOut"]
    assert (left["suppressed"], left["withoutConsent"]) == (2, 1)
    examples, quality = read(None)
    assert len(examples) == 4
    assert quality.to_json()["rowsLeftOut"]["suppressed"] == 0
