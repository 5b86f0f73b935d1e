"""The listener for scrapes: GET /metrics on a port of its own, one answer a connection.

A second uvicorn would cost memory and a protocol stack to answer one path a few times a minute.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

log = logging.getLogger(__name__)

_MAX_HEAD_BYTES: Final = 16 * 1024
_TIMEOUT_SECONDS: Final = 5.0


@asynccontextmanager
async def exposing(render: Callable[[], Awaitable[bytes]], listener: socket.socket) -> AsyncIterator[None]:
    """Answer scrapes for as long as the context lasts."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _answer(head, render))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, sock=listener, limit=_MAX_HEAD_BYTES)
    try:
        yield
    finally:
        server.close()


async def _answer(head: bytes, render: Callable[[], Awaitable[bytes]]) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
    if path != b"/metrics":
        return _response(b"404 Not Found", b"text/plain", b"only /metrics is here\n")
    if method != b"GET":
        return _response(b"405 Method Not Allowed", b"text/plain", b"only GET is allowed\n")
    return _response(b"200 OK", CONTENT_TYPE_LATEST.encode(), await render())


def _response(status: bytes, content_type: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (status, content_type, len(body)) + body
