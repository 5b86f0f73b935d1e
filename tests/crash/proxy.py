"""Stands between one operator, the API server and the audit log: sees every request, and strikes at a chosen write."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from yarl import URL

from localcluster import ControlPlane

LOG: Final = "/log-of-the-ledger"
"""Below it are the ledger's paths: what the operator enters is one of its writes."""
_DROPPED: Final = frozenset({"transfer-encoding", "content-length", "connection", "date", "host"})


@dataclass(frozen=True, slots=True)
class Write:
    """One request of the operator that changes something; the Lease's are not counted."""

    method: str
    path: str
    body: dict[str, Any]

    @property
    def what(self) -> str:
        """Verb and resource, without namespace: ``PATCH services/lead``, ``POST events``."""
        return f"{self.method} {self.path.split('/namespaces/', 1)[-1].partition('/')[2]}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the proxy gives in the API server's place."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


async def _forward_it(_: Write) -> Reply | None:
    return None


async def _let_it_go(_: Write) -> None:
    return None


class Proxy:
    """HTTP in front, the API server's TLS behind; a context manager.

    Attributes:
        before: Awaited with each write before it is forwarded; what it returns is the answer, and nothing is forwarded.
        after: Awaited with each write when the API server has answered and the operator has not heard of it.
        writes: All writes so far.

    """

    def __init__(self, plane: ControlPlane, folder: Path, name: str, ledger: str = "") -> None:
        self.before: Callable[[Write], Awaitable[Reply | None]] = _forward_it
        self.after: Callable[[Write], Awaitable[None]] = _let_it_go
        self.writes: list[Write] = []
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self._plane = plane
        self._ledger = ledger
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._watches: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._plane.ca_file)
        tls.load_cert_chain(self._plane.client_cert_file, self._plane.client_key_file)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            self._plane.server, connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.kubeconfig.write_text(json.dumps(_kubeconfig(self._runner.addresses[0][1])))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._session is not None
        self.cut_watches()
        await self._runner.cleanup()
        await self._session.close()

    @property
    def audit_url(self) -> str:
        """Where the operator enters what it decides."""
        assert self._runner is not None
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}{LOG}"

    @property
    def watches(self) -> int:
        """Number of open watches."""
        return len(self._watches)

    def cut_watches(self) -> None:
        """Cut every open watch in mid-sentence."""
        for watch in self._watches:
            watch.cancel()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        write = self._write_of(request, content)
        if write is None:
            return await self._forward(request, content)
        self.writes.append(write)
        if (reply := await self.before(write)) is not None:
            return web.json_response(reply.body, status=reply.status, headers=reply.headers)
        answer = await self._forward(request, content)
        await self.after(write)
        return answer

    def _write_of(self, request: web.Request, content: bytes) -> Write | None:
        if request.method == "GET" or request.path.startswith("/apis/coordination.k8s.io/"):
            return None
        body = json.loads(content) if content else {}
        path = request.path
        if path.startswith(LOG):
            path = f"/namespaces/log/{path.rpartition('/')[2]}"
        return Write(request.method, path, body)

    async def _forward(self, request: web.Request, content: bytes) -> web.StreamResponse:
        assert self._session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _DROPPED}
        target: URL | str = request.rel_url
        if request.path.startswith(LOG):
            target = self._ledger + str(request.rel_url).removeprefix(LOG)
        try:
            async with self._session.request(
                request.method, target, data=content or None, headers=headers, allow_redirects=False
            ) as answer:
                kept = {key: value for key, value in answer.headers.items() if key.lower() not in _DROPPED}
                if "watch" not in request.query:
                    return web.Response(status=answer.status, body=await answer.read(), headers=kept)
                return await self._stream(request, answer, kept)
        except aiohttp.ClientConnectionError:
            # One of the two is gone. An operator that still lives sees what it would see without the proxy: the
            # connection ends, and no word of why.
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        told = web.StreamResponse(status=answer.status, headers=headers)
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            await told.prepare(request)
            async for chunk in answer.content.iter_any():
                await told.write(chunk)
            with suppress(ConnectionError):
                await told.write_eof()
        except asyncio.CancelledError:
            if request.transport is not None:
                request.transport.abort()
            raise
        finally:
            self._watches.discard(task)
        return told


def _kubeconfig(port: int) -> dict[str, Any]:
    """No credentials: the proxy has them."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    }
