"""A small real HTTP server in the ledger's place, which does what a test tells it to."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    content_type: str
    authorization: str
    body: bytes
    connection: int
    """Port of the client, which tells connections apart."""


@dataclass
class Script:
    """What the server does with the next requests; 200 when nothing is written down."""

    answers: deque[int | str] = field(default_factory=deque)
    """A status, or ``hang``, ``drop`` (no answer), ``close`` (an answer without the promised end of the connection)."""
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def scripted(port: int = 0) -> Iterator[Script]:
    """Serve until the end of the context."""
    script = Script()
    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            given = self.headers
            script.received.append(
                Received(
                    self.path,
                    given.get("content-type", ""),
                    given.get("authorization", ""),
                    body,
                    self.client_address[1],
                )
            )
            action = script.answers.popleft() if script.answers else 200
            if action == "hang":
                time.sleep(0.6)
            if action in ("hang", "drop"):
                self.close_connection = True
                return
            text = b'{"detail":"as the script says"}'
            self.send_response(200 if action == "close" else int(action))
            for name, value in {**script.headers, "content-length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = action == "close"

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    script.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in connections:  # what a process leaves open, the kernel ends with it
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
