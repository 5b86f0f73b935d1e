"""The list of the suppressed: looked up, kept on disk, and asked of the ledger."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.front.privacy.polling import Polling
from bentos.front.privacy.suppressions import FILE_NAME, Suppressions
from bentos.front.reporting.sending import Ledger
from marquee.contract.privacy import SuppressionsReply

HASHES = st.lists(st.integers(0, 2**64 - 1))


def listed(*units: int, revision: int = 1) -> Suppressions:
    made = Suppressions()
    made.replace(revision, array("Q", units))
    return made


@given(HASHES, st.integers(0, 2**64 - 1))
def test_who_is_on_the_list_is_found_and_nobody_else(units: list[int], other: int) -> None:
    """As in a set, in whatever order they came and however often."""
    known = listed(*units)
    assert all(unit.to_bytes(8, "big") in known for unit in units)
    assert (other.to_bytes(8, "big") in known) == (other in units)


def test_before_anything_was_heard_nothing_is_known() -> None:
    """An empty list that was read is something else than none."""
    assert b"12345678" not in Suppressions()
    assert not Suppressions().known
    assert listed().known


@given(units=HASHES, revision=st.integers(0, 2**63))
def test_the_file_gives_back_what_was_kept(tmp_path_factory: Any, units: list[int], revision: int) -> None:
    """Revision and subjects, in eight bytes each."""
    folder = tmp_path_factory.mktemp("spool")
    listed(*units, revision=revision).save(folder)
    assert (folder / FILE_NAME).stat().st_size == 16 + 8 * len(units)
    read = Suppressions()
    read.load(folder)
    assert (read.revision, list(read._units)) == (revision, sorted(units))


@pytest.mark.parametrize("damage", [b"", b"mqs", b"mqs1" + bytes(12), b"other-file-format"])
def test_a_torn_file_is_nothing_known(tmp_path: Path, damage: bytes) -> None:
    """It is asked for anew; half a list must not pass for a whole one."""
    listed(1, 2).save(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for torn in (damage, whole[:-8], whole[:-1], whole[:20] + b"x" + whole[21:]):
        (tmp_path / FILE_NAME).write_bytes(torn)
        read = Suppressions()
        read.load(tmp_path)
        assert not read.known


@dataclass
class Books:
    """A ledger of one list."""

    units: list[int] = field(default_factory=list)
    revision: int = 1
    page: int = 3
    status: int = 200
    body: bytes = b""
    """Instead of a good one."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, credentials and If-None-Match of each question."""
    url: str = ""

    def reply(self, after: str) -> SuppressionsReply:
        hashes = [f"{unit:016x}" for unit in sorted(self.units)]
        rest = [one for one in hashes if one > after]
        page = tuple(rest[: self.page])
        return SuppressionsReply(revision=self.revision, units=page, next=page[-1] if len(rest) > self.page else None)


@contextmanager
def serving(books: Books) -> Iterator[Books]:
    """Serve the list over HTTP, by the contract."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers
            books.asked.append((self.path, given.get("authorization", ""), given.get("if-none-match", "")))
            after = parse_qs(urlsplit(self.path).query).get("after", [""])[0]
            etag = f'"{books.revision}"'
            unchanged = given.get("if-none-match") == etag
            self.send_response(304 if unchanged else books.status)
            self.send_header("etag", etag)
            self.end_headers()
            if not unchanged:
                self.wfile.write(books.body or books.reply(after).model_dump_json(by_alias=True).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    books.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield books
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def polling(url: str, folder: Path | None = None, token: Path | None = None) -> tuple[Polling, Suppressions]:
    known = Suppressions()
    return Polling(known, Ledger(url, token), "ns/fixture", folder), known


def held(known: Suppressions) -> Sequence[int]:
    return list(known._units)


def test_the_list_is_read_page_by_page_and_then_only_when_it_changed(tmp_path: Path) -> None:
    """By the pod's own token; what has not changed is answered with 304 and not read again."""
    token = tmp_path / "token"
    token.write_text("t0ken\n", encoding="ascii")
    with serving(Books(units=[5, 2**64 - 1, 3, 9, 7, 1, 8])) as books:
        asking, known = polling(books.url, token=token)
        assert asking.ask()
        assert held(known) == sorted(books.units)
        assert [path for path, _, _ in books.asked] == [
            "/v1/suppressions/ns/fixture",
            "/v1/suppressions/ns/fixture?after=0000000000000005",
            "/v1/suppressions/ns/fixture?after=0000000000000009",
        ]
        assert {authorization for _, authorization, _ in books.asked} == {"Bearer t0ken"}
        books.asked.clear()
        assert asking.ask()
        assert books.asked == [("/v1/suppressions/ns/fixture", "Bearer t0ken", '"1"')]
        books.units, books.revision = [4], 2
        assert asking.ask()
        assert (held(known), known.revision) == ([4], 2)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b"{}"),
        (404, b"{}"),
        (500, b""),
        (200, b"<html>"),
        (200, b'{"revision": 1, "units": ["nobody"]}'),
        (200, b'{"revision": 1, "units": [], "next": "0000000000000001"}'),
    ],
)
def test_while_the_ledger_tells_nothing_useful_the_last_list_stays(status: int, body: bytes) -> None:
    """No trouble of the ledger's lifts anybody's suppression; the pages of a mad one end."""
    with serving(Books(units=[1, 2])) as books:
        asking, known = polling(books.url)
        assert asking.ask()
        heard = known.read_at
        books.status, books.body, books.revision = status, body, 2
        assert not asking.ask()
        assert (held(known), known.revision, known.read_at) == ([1, 2], 1, heard)


def test_a_restarted_pod_knows_the_list_while_the_ledger_is_away(tmp_path: Path) -> None:
    """The container's successor finds it beside the spool, and says that it is known."""
    with serving(Books(units=[1, 2])) as books:
        first, _ = polling(books.url, tmp_path)
        assert first.ask()
    successor, known = polling("http://127.0.0.1:9", tmp_path)
    successor.start()
    assert successor.wait(0.05)
    assert (held(known), known.read_at) == ([1, 2], 0.0)


def test_a_pod_that_never_heard_anything_says_so() -> None:
    """It has waited for a while, and serves without."""
    asking, known = polling("http://127.0.0.1:9")
    asking.start()
    assert not asking.wait(0.05)
    assert not known.known


def test_a_list_is_heard_by_a_pod_that_waits(tmp_path: Path) -> None:
    """The thread asks by itself."""
    with serving(Books(units=[7])) as books:
        asking, known = polling(books.url, tmp_path)
        asking.start()
        assert asking.wait(20)
        assert held(known) == [7]
        assert (tmp_path / FILE_NAME).exists()
