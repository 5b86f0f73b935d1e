"""The few pieces of ASGI and HTTP that the front handles itself: bodies with a limit, whole responses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

CONNECTION_CLOSE: Final[Header] = (b"connection", b"close")
JSON: Final[Header] = (b"content-type", b"application/json")

_DISCARD_BYTES: Final = 64 * 2**20
"""How much of an oversized body is read and thrown away before the answer.

A client that sends its whole body before it looks for an answer would else see a reset connection instead.
"""
_DISCARD_SECONDS: Final = 10.0


class Response(NamedTuple):
    """A complete response; `send_response` adds the content length."""

    status: int
    body: bytes
    headers: list[Header]
    close: bool = False
    turned_away: bool = False
    """The model was not asked, for want of time."""


class BodyTooLargeError(Exception):
    """The body has more bytes than allowed."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, *, declared: int | None, limit: int, waits: bool = False) -> bytes:
    """The whole body, never holding more than ``limit`` bytes and one message.

    ``waits`` says that the client sends its body only when it is asked to (``Expect: 100-continue``).

    Raises:
        BodyTooLargeError: after the rest was discarded.
        ClientGoneError: nobody is left to answer.

    """
    if declared is not None and declared > limit:
        if not waits:
            await _discard(receive)
        raise BodyTooLargeError
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= limit:
        return body
    parts, size = [body], len(body)
    while message.get("more_body", False) and size <= limit:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        parts.clear()
        if message.get("more_body", False):
            await _discard(receive)
        raise BodyTooLargeError
    return b"".join(parts)


async def _discard(receive: Receive) -> None:
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while size < _DISCARD_BYTES:
                message = await receive()
                if message["type"] != "http.request":
                    raise ClientGoneError
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


async def send_response(send: Send, response: Response, *, close: bool) -> None:
    """Send a response; ``close`` asks the client not to use the connection again."""
    headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    if close or response.close:
        headers.append(CONNECTION_CLOSE)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def closing(send: Send) -> Send:
    """A send that adds ``Connection: close`` to a response that somebody else makes."""

    async def send_closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [header for header in message.get("headers", []) if header[0].lower() != b"connection"]
            message = {**message, "headers": [*headers, CONNECTION_CLOSE]}
        await send(message)

    return send_closing
