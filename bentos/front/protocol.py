"""The hot path below ASGI: a plain request for a prediction goes from the connection to its answer without a task.

uvicorn makes a scope, a cycle with an event, a task and two messages of every request; for a model of 60 microseconds
that was half of the cost of an answer, and nearly all of the cost of turning one away. This protocol takes over where
the head of a request is complete, and only for what is as plain as nearly all are: a POST over HTTP/1.1 to a URL of the
hot path, with a content length of at most `MAX_BODY_BYTES`, behind no request that is not answered yet. Everything
else, and everything while the pod starts or drains, is uvicorn's and goes to `app.Front` as an ASGI application.

What is used of uvicorn's class has no promise of stability: `requirements` pin it, and
``tests/unit/front/test_protocol.py`` speaks to a real socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from time import perf_counter_ns
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from bentos.front.answering import Target
from bentos.front.app import Front
from bentos.front.asgi import Header, Response
from bentos.front.heads import Head
from bentos.front.shedding import plain_request
from bentos.front.turns import Turns

MAX_BODY_BYTES: Final = 64 * 2**10
"""uvicorn stops reading where a body grows larger than this before it is asked for; here nobody would ask."""


class Exchange:
    """One request and its answer. uvicorn takes it for the cycle that it is about, hence some of the names."""

    __slots__ = (
        "body", "disconnected", "head", "keep_alive", "more_body", "protocol", "refusal", "response_complete",
        "started", "target",
    )  # fmt: skip
    message_event: ClassVar[asyncio.Event] = asyncio.Event()
    """Nobody waits for it."""

    def __init__(self, protocol: HotProtocol, target: Target, head: Head, started: int, *, keep_alive: bool) -> None:
        self.protocol = protocol
        self.target = target
        self.head = head
        self.started = started
        self.keep_alive = keep_alive
        self.refusal: Response | None = None
        self.body = b""
        self.more_body = True
        self.disconnected = False
        self.response_complete = False


class HotPath:
    """What the connections of one front share.

    Args:
        front: answers.

    """

    def __init__(self, front: Front) -> None:
        self.front = front
        self.answering = front.answering
        self._metrics = front.metrics
        self._turns: Turns[Exchange] = Turns(self._answer, self.answering.admission.observe)
        self._dated: list[Header] = []
        self._date = b""
        self._refusals: dict[int, bytes] = {}
        """Printed ones by the identity of the response, of which there are few."""
        front.answering.waiting = self._turns.__len__

    def protocol(self, *arguments: Any, **named: Any) -> HotProtocol:
        """A new connection's protocol, as uvicorn makes them."""
        return HotProtocol(self, *arguments, **named)

    def enter(self, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        """Answer a complete request when its turn comes."""
        self._metrics.in_flight += 1
        self._turns.enter(exchange, loop)

    def turn_away(self, exchange: Exchange, refusal: Response) -> None:
        """Send the refusal and count it, and let those who were not turned away have their time."""
        self.finish(exchange, refusal)
        self._turns.give_way()

    def finish(self, exchange: Exchange, response: Response) -> None:
        """Send the answer and count it."""
        exchange.protocol.respond(exchange, response)
        elapsed = perf_counter_ns() - exchange.started
        self.answering.count(exchange.target.endpoint, response, elapsed, exchange.head)

    def printed(self, response: Response, default_headers: list[Header], *, close: bool) -> bytes:
        """The bytes of a response. No header of it holds what a client sent, so none is searched for line breaks."""
        if default_headers is not self._dated:  # uvicorn makes a new list each second
            self._dated, self._date = default_headers, _lines(default_headers)
            self._refusals.clear()
        ending = b"content-length: %d\r\nconnection: close\r\n\r\n" if close else b"content-length: %d\r\n\r\n"
        lines = STATUS_LINE[response.status], self._date, _lines(response.headers), ending % len(response.body)
        return b"".join((*lines, response.body))

    def printed_refusal(self, refusal: Response, default_headers: list[Header]) -> bytes:
        """As `printed`, for responses that are made once and sent many times."""
        if default_headers is self._dated and (known := self._refusals.get(id(refusal))) is not None:
            return known
        printed = self.printed(refusal, default_headers, close=False)
        self._refusals[id(refusal)] = printed
        return printed

    def _answer(self, exchange: Exchange) -> None:
        if exchange.disconnected:
            self._metrics.in_flight -= 1
            self.answering.give_up(exchange.head)
            return
        answer = self.answering.answer(exchange.target, exchange.head, exchange.body)
        if isinstance(answer, Response):
            self._metrics.in_flight -= 1
            self.finish(exchange, answer)
        else:
            exchange.protocol.await_answer(exchange, answer)

    async def answer_later(self, exchange: Exchange, answer: Awaitable[Response]) -> None:
        """Finish when the model's thread has an answer."""
        try:
            self.finish(exchange, await answer)
        finally:
            self._metrics.in_flight -= 1


class HotProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        hot: what all connections share.
        arguments: of uvicorn's protocol.
        named: as well.

    """

    def __init__(self, hot: HotPath, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._hot = hot
        self._active = 0.0
        """When something last came, by the loop's clock."""
        self._parsing = False
        """Whether the parser has a part of a message."""

    def data_received(self, data: bytes) -> None:
        """Note the time, and parse what cannot be turned away unread."""
        self._active = self.loop.time()
        if self._parsing or not self._hot.answering.is_full or not self._turned_away(data):
            super().data_received(data)

    def _turned_away(self, data: bytes) -> bool:
        """Refuse a request without parsing it, if that can be."""
        if (self.cycle is not None and not self.cycle.response_complete) or self.flow.write_paused:
            return False
        plain = plain_request(data)
        if plain is None or (target := self._hot.front.target(plain.url)) is None:
            return False
        started = perf_counter_ns()
        answering = self._hot.answering
        head = answering.read(plain.headers, started)
        refusal = answering.refusal(head, started)
        if refusal is None:
            return False
        exchange = Exchange(self, target, head, started, keep_alive=True)
        exchange.refusal = refusal
        self.cycle = exchange  # type: ignore[assignment]
        self._hot.turn_away(exchange, refusal)
        return True

    def on_message_begin(self) -> None:
        """A first byte came."""
        self._parsing = True
        super().on_message_begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of the idle connection."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """Leave the timer alone: uvicorn sets one for each answer and unsets it with the next request."""

    def on_response_complete(self) -> None:
        """Be ready for the next request; a timer that runs already is enough."""
        if self.pipeline or self.timeout_keep_alive_task is None or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it was idle for all the time; else look again when it may have been."""
        self.timeout_keep_alive_task = None
        if self.cycle is not None and not self.cycle.response_complete:
            return  # its answer sets the timer
        rest = self._active + self.timeout_keep_alive - self.loop.time()
        if rest <= 0:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)

    def on_headers_complete(self) -> None:
        """Take a plain request over, and decide whether it may wait; hand others to uvicorn."""
        target = self._hot.front.target(self.url)
        if target is None or not self._is_plain():
            super().on_headers_complete()
            return
        started = perf_counter_ns()
        head = self._hot.answering.read(self.headers, started)
        exchange = Exchange(self, target, head, started, keep_alive=self.parser.should_keep_alive())
        exchange.refusal = self._hot.answering.refusal(head, started)
        self.cycle = exchange  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body, unless it is not going to be looked at."""
        exchange: Any = self.cycle
        if not isinstance(exchange, Exchange):
            super().on_body(body)
        elif exchange.refusal is None:
            exchange.body = exchange.body + body if exchange.body else body

    def on_message_complete(self) -> None:
        """Queue the request up, or turn it away."""
        self._parsing = False
        exchange: Any = self.cycle
        if not isinstance(exchange, Exchange):
            super().on_message_complete()
            return
        exchange.more_body = False
        if exchange.refusal is None:
            self._hot.enter(exchange, self.loop)
        else:
            self._hot.turn_away(exchange, exchange.refusal)

    def respond(self, exchange: Exchange, response: Response) -> None:
        """Send a whole response, and be ready for the next request of the connection."""
        exchange.response_complete = True
        if not self.transport.is_closing():
            close = response.close or not exchange.keep_alive or not self._hot.front.serving
            close = close or self._hot.answering.reconnects(exchange.head, response)
            headers = self.server_state.default_headers
            if response is exchange.refusal and not close:
                self.transport.write(self._hot.printed_refusal(response, headers))
            else:
                self.transport.write(self._hot.printed(response, headers, close=close))
            if close:
                self.transport.close()
        self.on_response_complete()

    def await_answer(self, exchange: Exchange, answer: Awaitable[Response]) -> None:
        """Respond when the model's thread has an answer; uvicorn waits for such tasks before it leaves."""
        task = self.loop.create_task(self._hot.answer_later(exchange, answer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _is_plain(self) -> bool:
        if self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return False
        if self.expect_100_continue or self.parser.should_upgrade() or self.flow.write_paused:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        return 0 < len(length) < 9 and int(length) <= min(MAX_BODY_BYTES, self._hot.front.max_request_bytes)


def _lines(headers: list[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
