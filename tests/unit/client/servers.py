"""Real servers on loopback for the clients: the front, the ledger, and one that answers what a test tells it."""

from __future__ import annotations

import asyncio
import json
import queue
import socket
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self
from urllib.request import Request, urlopen

import uvicorn

from bentos.front import server as front_server
from bentos.front.app import Front
from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import ROLLOUTS_PATH, STATISTICS_PATH
from marquee.contract.prediction import Issuer, derive_secret
from marquee.ledger.service import running
from marquee.ledger.settings import Settings

MASTER: Final = b"m" * 32
MODEL: Final = "crm/lead"


@contextmanager
def serving(front: Front) -> Iterator[str]:
    """The front behind uvicorn, as its launcher configures it; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(front_server._uvicorn_config(front))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def ledger_of(settings: Settings) -> Iterator[str]:
    """A ledger; yields its address."""
    started: queue.SimpleQueue[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = queue.SimpleQueue()

    async def run() -> None:
        leaving = asyncio.Event()
        async with running(settings) as ledger:
            started.put((ledger.port, asyncio.get_running_loop(), leaving))
            await leaving.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    port, loop, leaving = started.get(timeout=30)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(leaving.set)
        thread.join()


@dataclass(frozen=True)
class Rollout:
    """A rollout that a ledger has open, and the predictor's side of it."""

    url: str
    name: str
    shop_key: str
    admin_key: str

    @staticmethod
    def declared(url: str, name: str, *, shop_key: str, admin_key: str) -> Rollout:
        """A new rollout that counts purchases and revenue."""
        rollout = Rollout(url, name, shop_key, admin_key)
        metrics = [{"outcome": "purchase"}, {"outcome": "revenue", "kind": "Mean"}]
        rollout._call("PUT", f"{ROLLOUTS_PATH}/{MODEL}/{name}", json.dumps({"metrics": metrics}).encode())
        return rollout

    def ids(self, count: int, *, prefix: str = "user", exposed: bool = True) -> list[str]:
        """Prediction ids of so many canary users, with their exposures when the predictor has sent them."""
        issuer = Issuer(key_id=1, secret=derive_secret(MASTER, MODEL), model=MODEL, revision="lead-v2")
        cohort = Cohort(self.name, 0, Arm.CANARY)
        units = [unit_hash(MODEL, f"{prefix}-{number}") for number in range(count)]
        if exposed:
            batch = ExposureBatch(uuid.uuid4().bytes, MODEL, (ExposureGroup(cohort, b"".join(units)),))
            self._call("POST", EXPOSURES_PATH, batch.to_bytes(), CONTENT_TYPE)
        now = time.time_ns() // 1_000_000
        return [issuer.issue(cohort, unit, now) for unit in units]

    def counted(self) -> dict[str, dict[str, Any]]:
        """The integers of the canary's outcomes."""
        reply = self._call("GET", f"{STATISTICS_PATH}?rollout={MODEL}/{self.name}")
        (cohort,) = json.loads(reply)["rollouts"][0]["cohorts"]
        outcomes: dict[str, dict[str, Any]] = cohort["outcomes"]
        return outcomes

    def _call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
        headers = {"authorization": f"Bearer {self.admin_key}", "content-type": kind}
        with urlopen(Request(self.url + path, body, headers, method=method), timeout=10) as response:  # noqa: S310
            content: bytes = response.read()
            return content


@dataclass
class Reply:
    """What a `Scripted` server does with one request."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """Announce more than is sent, and break off."""
    closes: bool = False
    """Close the connection after the answer without announcing it, as a server does that was idle for too long."""
    seconds: float = 0.0
    """Wait before the answer."""


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    port: int
    """Of the client: tells connections apart."""


class _Threads(ThreadingHTTPServer):
    request_queue_size = 128  # many clients at once are not reset
    daemon_threads = True


class Scripted:
    """A server that gives replies in their order, the last one for ever, and remembers what it was asked."""

    def __init__(self, *replies: Reply, certificate: Path | None = None) -> None:
        self.replies = deque(replies)
        self.seen: list[Seen] = []
        self.leaving = threading.Event()
        self._server = _Threads(("127.0.0.1", 0), self._handler())
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                scripted.seen.append(Seen(self.path, headers, body, self.client_address[1]))
                reply = scripted.replies.popleft() if len(scripted.replies) > 1 else scripted.replies[0]
                scripted.leaving.wait(reply.seconds)
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(content) + reply.cut), **reply.headers}.items():
                    self.send_header(name, value)
                with suppress(ConnectionError):  # a client that is tired of waiting is gone
                    self.end_headers()
                    self.wfile.write(content)
                self.close_connection = reply.cut or reply.closes

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
