"""POST to one server over connections that are kept: the only module that touches a socket.

Of an HTTP client this needs one method, kept connections and time limits. ``http.client`` has the protocol; what is
written here keeps its connections, so that a program that asks for predictions needs no further package.
"""

from __future__ import annotations

import os
import re
import ssl
from collections import deque
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from typing import Final
from urllib.parse import urlsplit

from marquee.client.answers import Answer
from marquee.client.errors import InvalidRequestError, NoAnswerError

MAX_IDLE: Final = 16
"""Connections that are kept; further ones in use at the same time are closed after their answer."""
MAX_ANSWER_BYTES: Final = 8 * 2**20
_VISIBLE: Final = re.compile(r"[!-~]+", re.ASCII)
_GONE: Final = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""How a kept connection shows that its server closed it."""


class Server:
    """A server by its address. May be used by many threads, and after a fork.

    Args:
        url: ``http(s)://host[:port][/prefix]``.
        tls: for https, instead of the system's certificate authorities.

    Raises:
        InvalidRequestError: the address is none.

    """

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        if not isinstance(url, str) or _VISIBLE.fullmatch(url) is None:
            raise InvalidRequestError("url: must be ASCII without spaces; write an international host as xn--...")
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as error:
            raise InvalidRequestError(f"url: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in url:
            raise InvalidRequestError("url: must be http(s)://host[:port][/prefix], without user, query and fragment")
        self.name = f"{parts.scheme}://{parts.netloc}"
        self._host = parts.hostname
        self._prefix = parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._idle: deque[HTTPConnection] = deque()
        self._process = os.getpid()

    def post(self, path: str, headers: Mapping[str, str], body: bytes, *, timeout_seconds: float) -> Answer:
        """Send a JSON body that may be sent again without harm.

        A kept connection that its server has closed meanwhile is replaced, which costs the caller nothing.

        Args:
            path: below the address.
            headers: besides ``content-type``.
            body: JSON.
            timeout_seconds: for connecting, and for each wait for bytes.

        Raises:
            NoAnswerError: the server could not be reached, was too slow, or broke off.

        """
        while True:
            connection, is_used = self._take(timeout_seconds)
            try:
                return self._exchange(connection, self._prefix + path, headers, body)
            except (OSError, HTTPException, ValueError) as error:
                connection.close()
                if not (is_used and isinstance(error, _GONE)):
                    raise NoAnswerError(f"{self.name}: {_words(error)}") from error
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """End the kept connections; the server may be used again."""
        while self._idle:
            self._idle.pop().close()

    def _take(self, timeout_seconds: float) -> tuple[HTTPConnection, bool]:
        """A connection, and whether it was used before."""
        if self._process != os.getpid():  # a child must not read the answers of its parent
            self._idle, self._process = deque(), os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._connection(timeout_seconds), False
        if connection.sock is not None:
            connection.sock.settimeout(timeout_seconds)
        return connection, True

    def _connection(self, timeout_seconds: float) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=timeout_seconds)
        return HTTPSConnection(self._host, self._port, timeout=timeout_seconds, context=self._tls)

    def _exchange(self, connection: HTTPConnection, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        content = response.read(MAX_ANSWER_BYTES)
        if response.length:
            raise IncompleteRead(content, response.length)
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
        if connection.sock is None or not response.isclosed() or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return answer


def _words(error: Exception) -> str:
    if isinstance(error, IncompleteRead):
        return "the answer was cut, or is longer than any that is expected"
    return str(error) or type(error).__name__
