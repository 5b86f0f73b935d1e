"""One HTTP session to the API server: requests and watch streams, both counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from marquee.control.cluster.access import Access, log_in
from marquee.control.cluster.answers import json_object, refusal, watch_event
from marquee.control.cluster.errors import ApiError, LeadershipLost, MalformedAnswer, Unauthorized, Unreachable
from marquee.control.cluster.lines import LineSplitter
from marquee.control.cluster.routes import RequestRecord, resource_of, verb_of
from marquee.control.cluster.sockets import Sockets
from marquee.control.runtime.clock import monotonic_seconds

OBJECT: Final = "application/json"
OBJECT_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
LIST_METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""`Accept` values; the metadata ones have the server leave out spec and status."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Bounds of the session."""

    requests_at_once: int = 32
    """Requests in flight, apart from watches and urgent ones. Default 32: more than the work queue has workers, and
    few enough that the API server's fairness gate does not turn them away."""

    connect_seconds: float = 10.0
    """Time, in seconds, for TCP and TLS to come up. Default 10: a node under load still manages."""

    idle_seconds: float = 60.0
    """Time, in seconds, an unused connection is kept. Default 60: below the API server's 90, so that it is this
    side that closes, and no write meets a closed connection."""

    max_line_bytes: int = 16 * 1024 * 1024
    """Longest watch event, in bytes. Default 16 MiB: ten times the largest object that etcd stores."""


@dataclass(slots=True)
class _Exchange:
    """One request on its way."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes | None
    is_watch: bool = False


class Connection:
    """Speaks JSON with one API server; knows paths, not kinds.

    Make it in the event loop that uses it, and `close` it. `requests` counts by (verb, resource, status);
    `on_request`, when set, is called with each `RequestRecord`.
    """

    def __init__(
        self,
        access: Access,
        *,
        settings: ConnectionSettings | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        self.access = access
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.on_request = on_request
        self.may_write: Callable[[], bool] = lambda: True
        """Asked right before each write that is not urgent; an operator that has lost its Lease sends none."""
        self._settings = settings or ConnectionSettings()
        self._sockets = Sockets()
        self._slots = asyncio.Semaphore(self._settings.requests_at_once)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the slots bound requests; a pool limit would count watches too and starve the writes
                ssl=access.ssl_context if access.ssl_context is not None else True,
                keepalive_timeout=self._settings.idle_seconds,
                socket_factory=self._sockets.open,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressing a long list costs the server more CPU than the cluster's network saves.
            headers={"Accept-Encoding": "identity", "User-Agent": "marquee-operator"},
            auto_decompress=False,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = OBJECT,
        timeout_seconds: float = 10.0,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Send one request and return the JSON object of the answer.

        Args:
            method: HTTP method, in capitals.
            path: absolute path without query.
            params: query parameters.
            body: anything orjson serialises, sent as `content_type`.
            content_type: of the body; ``application/apply-patch+yaml`` takes JSON, which is YAML.
            accept: `OBJECT`, `OBJECT_METADATA` or `LIST_METADATA`.
            timeout_seconds: for the whole exchange, the wait for a slot included.
            urgent: take no slot, so that slow requests cannot delay the renewal of the Lease.

        Raises:
            ApiError: the server refused; `marquee.control.cluster.errors` draws the kinds.
            Unreachable: no answer in time; a write may have taken effect.
            MalformedAnswer: the answer is no JSON object.
            LoginFailed: the token ran out and could not be renewed.
            LeadershipLost: `may_write` said no; nothing was sent.

        """
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        exchange = _Exchange(
            method,
            path,
            _query_of(tuple(params.items())) if params else "",
            headers,
            None if body is None else orjson.dumps(body),
        )
        try:
            async with asyncio.timeout(timeout_seconds):
                if urgent:
                    return await self._answer_or_log_in_again(exchange)
                async with self._slots:
                    if method != "GET" and not self.may_write():
                        raise LeadershipLost(f"{method} {path}: not sent, another process may lead by now")
                    return await self._answer_or_log_in_again(exchange)
        except TimeoutError as error:
            raise Unreachable(f"{method} {path}: no answer within {timeout_seconds:g} s") from error

    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = OBJECT,
        timeout_seconds: float = 310.0,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Open a watch and yield its events, ``{"type": ..., "object": ...}``, until the server ends it.

        Close the generator (``contextlib.aclosing``) when leaving it early.

        Args:
            path: collection path.
            params: query parameters; ``watch=1`` is added.
            accept: `OBJECT` or `OBJECT_METADATA`.
            timeout_seconds: for the whole watch; above the ``timeoutSeconds`` that is asked of the server.

        Raises:
            ApiError: the watch was refused, or ended by an ERROR event (`Gone`: the version is too old).
            Unreachable: the connection was cut, or the time ran out.
            MalformedAnswer: a line is no event, or is longer than allowed.
            LoginFailed: the token ran out and could not be renewed.

        """
        query = urlencode({**(params or {}), "watch": "1"})
        exchange = _Exchange("GET", path, query, {"Accept": accept}, None, is_watch=True)
        lines = LineSplitter(self._settings.max_line_bytes)
        async with self._exchanged(exchange, timeout_seconds) as response:
            if response.status != 200:
                raise self._refusal(exchange, response, await response.read())
            async for chunk in response.content.iter_any():
                for line in _cut(lines, chunk, path):
                    yield watch_event(line, path=path)

    async def close(self) -> None:
        """Close all connections; streams that are open end with `Unreachable`."""
        # Sockets first: the session forgets those that were left in the middle of an exchange and wait for the
        # server's farewell, and wakes no reader of those that it closes.
        await self._sockets.close()
        await self._session.close()

    async def _answer_or_log_in_again(self, exchange: _Exchange) -> dict[str, Any]:
        authorization = await self.access.authorization()
        try:
            return await self._answer(exchange)
        except Unauthorized:
            # Worth one more attempt if there is another token now.
            if await self.access.authorization() == authorization:
                raise
            return await self._answer(exchange)

    async def _answer(self, exchange: _Exchange) -> dict[str, Any]:
        async with self._exchanged(exchange, None) as response:
            payload = await response.read()
            if response.status >= 300:
                raise self._refusal(exchange, response, payload)
        return json_object(payload, method=exchange.method, path=exchange.path)

    @asynccontextmanager
    async def _exchanged(
        self, exchange: _Exchange, timeout_seconds: float | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send and wait for the answer's head; failures to talk, also while the body is read, are `Unreachable`."""
        if self._session.closed:
            raise Unreachable(f"{exchange.method} {exchange.path}: not sent, the connection is closed")
        authorization = await self.access.authorization()
        headers = exchange.headers | {"Authorization": authorization} if authorization else exchange.headers
        url = f"{self.access.server}{exchange.path}" + (f"?{exchange.query}" if exchange.query else "")
        started = monotonic_seconds()
        status = 0
        try:
            async with self._session.request(
                exchange.method,
                URL(url, encoded=True),
                data=exchange.body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=self._settings.connect_seconds),
                proxy=self.access.proxy,
                server_hostname=self.access.server_name,
            ) as response:
                status = response.status
                if exchange.is_watch:
                    self._record(exchange, status, started)
                try:
                    yield response
                finally:
                    _hang_up(response)
        except (aiohttp.ClientError, OSError) as error:  # asyncio's TimeoutError is an OSError
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreachable(f"{exchange.method} {url.partition('?')[0]}: {what}") from error
        finally:
            if not (exchange.is_watch and status):
                self._record(exchange, status, started)

    def _record(self, exchange: _Exchange, status: int, started: float) -> None:
        verb = "watch" if exchange.is_watch else verb_of(exchange.method, exchange.path)
        resource = resource_of(exchange.path)
        self.requests[verb, resource, status] += 1
        if self.on_request is not None:
            self.on_request(RequestRecord(verb, resource, status, monotonic_seconds() - started))

    def _refusal(self, exchange: _Exchange, response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
        if response.status == 401:  # the token was revoked or replaced early
            self.access.expire()
        return refusal(
            response.status,
            payload,
            method=exchange.method,
            path=exchange.path,
            retry_after=response.headers.get("Retry-After"),
        )


async def connect(
    *,
    context: str | None = None,
    settings: ConnectionSettings | None = None,
    on_request: Callable[[RequestRecord], None] | None = None,
) -> Connection:
    """Log in (see `marquee.control.cluster.access.log_in`) and open a session; no request is made yet.

    Raises:
        LoginFailed: no usable credentials.

    """
    return Connection(await log_in(context=context), settings=settings, on_request=on_request)


@lru_cache(maxsize=64)
def _query_of(params: tuple[tuple[str, str], ...]) -> str:
    """The query string; a write has the same one every time, and quoting it cost a fifth of a request."""
    return urlencode(params)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer that is left before its end; one that was read is back in the pool already.

    Closing it politely would keep the socket until the server has answered TLS's farewell.
    """
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _cut(lines: LineSplitter, chunk: bytes, path: str) -> list[bytes]:
    try:
        return lines.feed(chunk)
    except ValueError as error:
        raise MalformedAnswer(f"WATCH {path}: {error}") from error
