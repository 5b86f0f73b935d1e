"""Requests to a real HTTP server: what each failure means, and what is sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bentos.front.reporting.sending import MAX_RETRY_AFTER_SECONDS, Answer, Fate, Ledger
from tests.unit.front.reporting.builders import counts, exposures
from tests.unit.front.reporting.servers import Script, scripted


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted() as script:
        yield script


@pytest.fixture
def ledger(script: Script) -> Iterator[Ledger]:
    with closing(Ledger(script.url, None, timeout_seconds=0.3)) as ledger:
        yield ledger


def test_a_ledger_that_is_not_there_is_tried_later() -> None:
    """A refused connection and a name without an address are outages, not errors."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
        with closing(Ledger(url, None)) as ledger:
            answer = ledger.post(exposures(0))
        assert answer.fate is Fate.LATER
        assert answer.detail


@pytest.mark.parametrize("action", ["hang", "drop"])
def test_a_ledger_that_does_not_answer_is_tried_later(script: Script, ledger: Ledger, action: str) -> None:
    """Silence ends after a time limit, and the next batch goes over a new connection."""
    script.answers.append(action)
    assert ledger.post(exposures(0)).fate is Fate.LATER
    assert ledger.post(exposures(0)) == Answer(Fate.TAKEN)
    first, second = script.received
    assert first.body == second.body
    assert first.connection != second.connection


def test_bytes_that_are_no_http_are_tried_later() -> None:
    """Something else listens on the ledger's port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(Ledger(f"http://127.0.0.1:{server.getsockname()[1]}", None, timeout_seconds=0.3)) as ledger,
    ):
        assert ledger.post(exposures(0)).fate is Fate.LATER


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_batch_that_can_never_be_taken_is_refused(script: Script, ledger: Ledger, status: int) -> None:
    """The ledger's words are kept for the log."""
    script.answers.append(status)
    answer = ledger.post(exposures(0))
    assert answer.fate is Fate.REFUSED
    assert "as the script says" in answer.detail


@pytest.mark.parametrize("status", [204, 302, 401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_everything_else_may_be_repaired(script: Script, ledger: Ledger, status: int) -> None:
    """Wrong credentials, roles, paths and quotas lose nothing while somebody repairs them."""
    script.answers.append(status)
    answer = ledger.post(exposures(0))
    assert answer.fate is Fate.LATER
    assert answer.failed_inside == (status == 500)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("86400", MAX_RETRY_AFTER_SECONDS), ("soon", 0.0), ("-1", 0.0), ("", 0.0)]
)
def test_the_ledger_says_when_to_come_again(script: Script, ledger: Ledger, text: str, seconds: float) -> None:
    """Retry-After counts, within reason."""
    script.answers.append(429)
    script.headers["retry-after"] = text
    assert ledger.post(exposures(0)).retry_after_seconds == seconds


def test_the_token_is_read_for_each_batch(script: Script, tmp_path: Path) -> None:
    """The kubelet replaces it; one that cannot be read or sent is an outage."""
    path = tmp_path / "token"
    with closing(Ledger(script.url, path)) as ledger:
        assert ledger.post(exposures(0)).fate is Fate.LATER
        for token in ("one\n", "two"):
            path.write_text(token, encoding="ascii")
            assert ledger.post(exposures(0)).fate is Fate.TAKEN
        for broken in ("line\nbreak", "umläut"):
            path.write_text(broken, encoding="utf-8")
            assert ledger.post(exposures(0)).fate is Fate.LATER
    assert [received.authorization for received in script.received] == ["Bearer one", "Bearer two"]


def test_each_kind_has_its_path_and_type(script: Script) -> None:
    """A URL may have a path of its own before them."""
    with closing(Ledger(script.url + "/book/", None)) as ledger:
        assert ledger.post(exposures(1)).fate is Fate.TAKEN
        assert ledger.post(counts(2)).fate is Fate.TAKEN
    first, second = script.received
    assert (first.path, first.content_type) == ("/book/v1/exposures", "application/vnd.marquee.exposures")
    assert (second.path, second.content_type) == ("/book/v1/counts", "application/json")
    assert (first.body, second.body) == (b"exposures 1", b"counts 2")
    assert first.authorization == ""


def test_the_connection_is_kept(script: Script, ledger: Ledger) -> None:
    """A batch a second needs no handshake a second."""
    for number in range(5):
        assert ledger.post(exposures(number)).fate is Fate.TAKEN
    assert len({received.connection for received in script.received}) == 1


def test_a_connection_that_the_ledger_closed_is_no_failure(script: Script, ledger: Ledger) -> None:
    """An idle connection may be gone when the next batch comes: it is opened again at once."""
    for action in (200, "close", 200, "drop"):
        script.answers.append(action)
    assert [ledger.post(exposures(number)).fate for number in range(4)] == [Fate.TAKEN] * 4
    assert len({received.connection for received in script.received}) == 3
    assert [received.body[-1:] for received in script.received] == [b"0", b"1", b"2", b"3", b"3"]
