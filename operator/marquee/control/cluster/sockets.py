"""The TCP sockets of a connection: they notice a dead peer, and can all be closed."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

_CLOSE_SECONDS: Final = 1.0
"""How long closing waits for sockets that have been shut down; they need a turn of the event loop."""

_PROBES: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Sockets:
    """Opens sockets for the HTTP session and remembers those that are open."""

    def __init__(self) -> None:
        self._open: WeakSet[socket.socket] = WeakSet()

    def open(self, address: tuple[Any, ...]) -> socket.socket:
        """Open a socket for an address as ``getaddrinfo`` gives it.

        A watch only listens. Without probes a peer that vanished without a word, as a node that lost its network,
        would go unnoticed for the watch's whole five minutes; with them it takes about a minute.
        """
        family, kind, protocol, _, _ = address
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in _PROBES:
            if hasattr(socket, option):  # not every platform that people develop on has all three
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        self._open.add(sock)
        return sock

    async def close(self) -> None:
        """Shut all sockets down and wait until their owners have let go of them."""
        for sock in list(self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                while any(sock.fileno() >= 0 for sock in self._open):  # noqa: ASYNC110 - sockets have no event
                    await asyncio.sleep(0.001)
