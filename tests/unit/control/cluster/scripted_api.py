"""A small HTTP server on loopback that answers like the API server would on its bad days, as scripted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from kubernetes.aio.client import Configuration

from marquee.control.cluster.access import Access
from marquee.control.cluster.connection import Connection, ConnectionSettings

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class ScriptedApi:
    """Gives the next reply of its script to each request; an unscripted request is answered 500."""

    script: deque[Reply] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def then(self, *replies: Reply) -> None:
        self.script.extend(replies)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(
            Seen(request.method, request.rel_url.raw_path, dict(request.query), dict(request.headers), body)
        )
        if not self.script:
            return web.json_response({"message": "the script is at its end"}, status=500)
        return await self.script.popleft()(request)

    def connect(self, settings: ConnectionSettings | None = None, *, token: str | None = None) -> Connection:
        return Connection(Access(self.configuration(token)), settings=settings)

    def configuration(self, token: str | None = None) -> Any:
        configuration: Any = Configuration(host=self.url)
        if token is not None:
            configuration.api_key["BearerToken"] = token
        return configuration


def json(body: Any, *, status: int = 200) -> Reply:
    """A JSON answer."""
    return text(orjson.dumps(body).decode(), status=status)


def text(body: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """Any answer."""

    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, headers=headers)

    return reply


def refusal(
    code: int, reason: str, message: str = "no", *, details: Any = None, headers: dict[str, str] | None = None
) -> Reply:
    """A failure as the API server words it."""
    return text(orjson.dumps(status(code, reason, message, details)).decode(), status=code, headers=headers)


def status(code: int, reason: str, message: str = "no", details: Any = None) -> dict[str, Any]:
    """A ``Status`` object."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return body | {"message": message} | ({"details": details} if details else {})


def page(items: list[dict[str, Any]], version: int, *, more: str = "") -> Reply:
    """One page of a list."""
    return json({"metadata": {"resourceVersion": str(version), "continue": more}, "items": items})


def watch(*events: dict[str, Any] | bytes, end: str = "end") -> Reply:
    """A watch that sends events, then ends ("end"), breaks the connection ("cut") or stays silent ("hang")."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for event in events:
            line = event if isinstance(event, bytes) else orjson.dumps(event) + b"\n"
            await response.write(line)
            await asyncio.sleep(0)
        if end == "hang":
            await asyncio.sleep(3600)
        if end == "cut":
            assert request.transport is not None
            request.transport.abort()
        return response

    return reply


def hang() -> Reply:
    """No answer at all."""

    async def reply(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits an hour")

    return reply


def cut() -> Reply:
    """The connection breaks before an answer."""

    async def reply(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return reply


def event(kind: str, name: str, version: int, **more: Any) -> dict[str, Any]:
    """A watch event with an object as `made` makes it."""
    return {"type": kind, "object": made(name, version, **more)}


def made(name: str, version: int, *, uid: str = "", group: str | None = None, **more: Any) -> dict[str, Any]:
    """An object of namespace ``ns``; `group` becomes its label ``group``."""
    metadata: dict[str, Any] = {
        "namespace": "ns",
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
    }
    if group is not None:
        metadata["labels"] = {"group": group}
    return {"metadata": metadata, **more}


def group_of(obj: dict[str, Any]) -> str | None:
    """The index that the tests use."""
    label = obj["metadata"].get("labels", {}).get("group")
    return None if label is None else str(label)
