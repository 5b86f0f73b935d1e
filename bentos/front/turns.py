"""Requests that were read and wait for their turn in the event loop; between slices of work the sockets are read again.

A short model runs in the event loop itself, and so do all requests that came in at once. Were they answered in one go,
nobody would read the sockets meanwhile: those who are to be turned away would learn it last. So they queue up here, and
after two milliseconds the loop looks at its sockets before it goes on. Nor do the sockets have the loop for as long as
a thousand of them take: whoever turns a request away gives way to the queue after as long. One callback serves a whole
slice; no request has a task or a timer of its own.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final, Generic, TypeVar

SLICE_NANOSECONDS: Final = 2_000_000
READING_NANOSECONDS: Final = SLICE_NANOSECONDS
"""How long requests may be read and turned away while others wait. Half of the time, for with less of it a burst is
never read to its end: those who are answered then have waited too long before anybody knew of them."""

_Request = TypeVar("_Request")


class Turns(Generic[_Request]):
    """A queue of requests, first come, first served.

    Args:
        answer: makes the answer to one; must not raise.
        learn: told how many were answered in how many nanoseconds.
        clock: nanoseconds that only grow.

    """

    def __init__(
        self,
        answer: Callable[[_Request], None],
        learn: Callable[[int, int], None],
        *,
        clock: Callable[[], int] = perf_counter_ns,
    ) -> None:
        self._answer = answer
        self._learn = learn
        self._clock = clock
        self._queue: deque[_Request] = deque()
        self._scheduled = False
        self._unfinished: tuple[int, int, int] | None = None
        """When the last slice began and ended and how many it answered, if it left some over."""

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue)

    def enter(self, request: _Request, loop: AbstractEventLoop) -> None:
        """Wait behind the others."""
        self._queue.append(request)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run, loop)

    def give_way(self) -> None:
        """Answer for a slice if reading has had its time: for those who turn away, many of them in a row."""
        if self._unfinished is not None and self._clock() - self._unfinished[1] >= READING_NANOSECONDS:
            self._slice()

    def _run(self, loop: AbstractEventLoop) -> None:
        self._slice()
        self._scheduled = bool(self._queue)
        if self._scheduled:
            loop.call_soon(self._run, loop)

    def _slice(self) -> None:
        began = now = self._clock()
        if self._unfinished is not None:  # from slice to slice: what reading, writing and turning away take counts too
            before, _, answered = self._unfinished
            self._learn(answered, began - before)
        answered, queue = 0, self._queue
        while queue and now - began < SLICE_NANOSECONDS:
            self._answer(queue.popleft())
            answered += 1
            now = self._clock()
        if queue:
            self._unfinished = began, now, answered
        else:
            self._unfinished = None
            self._learn(answered, now - began)
