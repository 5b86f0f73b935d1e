"""Kept connections: what breaks first, then what is kept."""

from __future__ import annotations

import multiprocessing
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from marquee.client.connections import MAX_ANSWER_BYTES, MAX_IDLE, Server
from marquee.client.errors import InvalidRequestError, NoAnswerError
from tests.support.operator import free_port
from tests.unit.client.servers import Reply, Scripted


def post(server: Server, body: bytes = b"{}", seconds: float = 5.0) -> bytes:
    return server.post("/x", {}, body, timeout_seconds=seconds).body


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://user:secret@host",
        "http://host/?a=b",
        "http://host/#a",
        "http://[::1",
        "http://host/a b",
        "http://host\n",
        "http://bücher.example",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """At once, and without repeating a password in it."""
    with pytest.raises(InvalidRequestError, match=r"^url: ") as caught:
        Server(url)
    assert "secret" not in str(caught.value)


def test_nobody_listens() -> None:
    """The message says where."""
    port = free_port()
    with pytest.raises(NoAnswerError, match=f"^http://127.0.0.1:{port}: .*refused"):
        post(Server(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(seconds=30), "timed out"),
        (Reply(cut=True), "the answer was cut"),
        (Reply(body=bytes(MAX_ANSWER_BYTES + 1)), "the answer was cut, or is longer"),
    ],
    ids=["slow", "cut", "long"],
)
def test_an_answer_that_does_not_come_whole_is_none(reply: Reply, why: str) -> None:
    """Half a receipt must not be read."""
    with Scripted(reply) as scripted, pytest.raises(NoAnswerError, match=why):
        post(Server(scripted.url), seconds=0.2 if reply.seconds else 10)


def test_a_server_that_talks_nonsense() -> None:
    """No HTTP at all."""
    with Scripted(Reply()) as scripted:
        https = Server(scripted.url.replace("http:", "https:"))
        with pytest.raises(NoAnswerError, match="SSL"):
            post(https)


def test_a_connection_is_kept() -> None:
    """Ten requests, one connection."""
    with Scripted(Reply()) as scripted:
        server = Server(scripted.url)
        for _ in range(10):
            post(server)
        server.close()
    assert len({seen.port for seen in scripted.seen}) == 1


def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    """Servers close what was idle; no caller hears of it."""
    with Scripted(Reply(closes=True), Reply(body=b"second")) as scripted:
        server = Server(scripted.url)
        post(server)
        assert post(server) == b"second"
        server.close()
    assert len({seen.port for seen in scripted.seen}) == 2


def test_a_connection_that_the_server_announces_to_close_is_not_kept() -> None:
    """A draining pod asks for it."""
    with Scripted(Reply(headers={"connection": "close"})) as scripted:
        server = Server(scripted.url)
        post(server)
        assert not server._idle
        post(server)
    assert len({seen.port for seen in scripted.seen}) == 2


def test_threads_do_not_get_each_others_answers() -> None:
    """Each answer is read by whoever asked, with more threads than kept connections."""
    with Scripted(Reply(body=b"1"), Reply(body=b"2", seconds=0.01)) as scripted:
        server = Server(scripted.url)
        barrier = threading.Barrier(2 * MAX_IDLE)

        def ask() -> bytes:
            barrier.wait()
            return post(server)

        with ThreadPoolExecutor(2 * MAX_IDLE) as pool:
            answers = [future.result() for future in [pool.submit(ask) for _ in range(2 * MAX_IDLE)]]
        assert sorted(answers) == [b"1"] + [b"2"] * (2 * MAX_IDLE - 1)
        assert 1 <= len(server._idle) <= MAX_IDLE
        server.close()


def _ask_in_child(server: Server, pipe: Connection) -> None:
    pipe.send(post(server))
    server.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_opens_connections_of_its_own() -> None:
    """Web servers fork; two processes on one connection would read each other's predictions."""
    with Scripted(Reply()) as scripted:
        server = Server(scripted.url)
        post(server)
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        child = context.Process(target=_ask_in_child, args=(server, there))
        child.start()
        assert here.recv() == b"{}"
        child.join()
        post(server)
        server.close()
    first, second, third = (seen.port for seen in scripted.seen)
    assert first == third != second


def test_https_with_an_authority_of_ones_own(certificate: Path) -> None:
    """Without it, the system's authorities decide, and they know nothing of this one."""
    trusting = ssl.create_default_context(cafile=certificate)
    with Scripted(Reply(body=b"private", closes=True), certificate=certificate) as scripted:
        server = Server(scripted.url, tls=trusting)
        assert [post(server), post(server)] == [b"private", b"private"]
        server.close()
        with pytest.raises(NoAnswerError, match="CERTIFICATE_VERIFY_FAILED"):
            post(Server(scripted.url))


def test_a_prefix_of_the_address_stays() -> None:
    """A gateway may serve several models of one host."""
    with Scripted(Reply()) as scripted:
        server = Server(scripted.url + "/leads/")
        post(server)
        server.close()
    assert scripted.seen[0].path == "/leads/x"
