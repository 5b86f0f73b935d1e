"""One timer per key, the earliest wish wins, on a single timer of the event loop."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from marquee.control.runtime.clock import monotonic_seconds

K = TypeVar("K", bound=Hashable)

_COMPACT_SLACK = 64
"""Outdated heap entries that are tolerated beyond one per live key before the heap is rebuilt."""

_CLOCK_RESOLUTION_SECONDS = 0.001
"""An event loop may fire a timer early by its clock's resolution, uvloop's by a millisecond. Waiting for the rest
of it would be a busy loop."""


class Timers(Generic[K]):
    """Calls `on_due` once for each scheduled key when its time has come.

    A heap instead of one `call_later` per key: a rescheduled key costs one push, and a thousand keys hold one
    handle in the event loop.
    """

    def __init__(self, on_due: Callable[[K], None]) -> None:
        self._on_due = on_due
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None

    def __len__(self) -> int:
        return len(self._due)

    def schedule(self, key: K, due: float) -> None:
        """Have `key` come due at the loop time `due`, unless it comes due earlier already."""
        known = self._due.get(key)
        if known is not None and known <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))
        if len(self._heap) > 2 * len(self._due) + _COMPACT_SLACK:
            self._compact()
        self._arm()

    def cancel(self, key: K) -> None:
        """Forget `key`; nothing happens when it is not scheduled."""
        self._due.pop(key, None)

    def _compact(self) -> None:
        self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
        heapq.heapify(self._heap)

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        due = self._heap[0][0] if self._heap else None
        if due == self._armed_for:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None if due is None else asyncio.get_running_loop().call_at(due, self._fire)
        self._armed_for = due

    def _fire(self) -> None:
        self._handle = self._armed_for = None
        due_by = monotonic_seconds() + _CLOCK_RESOLUTION_SECONDS
        while self._heap and self._heap[0][0] <= due_by:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self._on_due(key)
        self._arm()
