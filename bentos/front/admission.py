"""Whether a request may wait for its turn: by Little's law, from how fast the queue has really been moving.

A queue of ``n`` requests that each take ``s`` makes the next one wait ``n * s``. When that is more than the request has
time for, it is turned away at once, while its client still has time to do something else. Nothing here has a clock, a
timer or a limit in requests a second that somebody would have to know: ``s`` is measured while requests are answered,
so that a throttled pod, a colder cache or a slower revision shortens the queue by itself.
"""

from __future__ import annotations

from typing import Final

MAX_WAITING: Final = 1_000
"""Requests that may wait, however fast they are answered: their bodies are in memory."""
DEFAULT_WAIT_SECONDS: Final = 0.5
"""How long a request may wait where no latency was promised."""
SHARE_OF_OBJECTIVE: Final = 0.5
"""The part of a promised latency that may be spent on waiting; the rest is for the answer, and for the unforeseen."""
MAX_RETRY_SECONDS: Final = 30

_MEMORY_NANOSECONDS: Final = 250_000_000
"""Work that is remembered: the pace follows a change within about this time of being busy."""
_SECOND: Final = 1_000_000_000


def longest_wait_seconds(objective_milliseconds: float | None) -> float:
    """How long a request may wait under a latency objective; None: there is none."""
    if objective_milliseconds is None:
        return DEFAULT_WAIT_SECONDS
    return objective_milliseconds / 1_000 * SHARE_OF_OBJECTIVE


class Admission:
    """The bound of one queue.

    Args:
        wait_seconds: that a request may wait.
        first_seconds: what a request takes, as long as none was answered.

    """

    def __init__(self, *, wait_seconds: float, first_seconds: float) -> None:
        self._longest_wait = wait_seconds * _SECOND
        self.begin(first_seconds)
        self._second = 0
        self._turned_away = [0, 0]

    def begin(self, seconds: float) -> None:
        """Forget what was learned, and take a request to need so long."""
        self._items = _MEMORY_NANOSECONDS / max(seconds * _SECOND, 1.0)
        self._busy = float(_MEMORY_NANOSECONDS)

    @property
    def pace(self) -> float:
        """Nanoseconds from one answer to the next while the queue is not empty."""
        return self._busy / self._items

    def observe(self, items: int, nanoseconds: int) -> None:
        """Learn that so many requests took so long.

        Sums that fade, not an average of quotients: one stall then weighs as much as it lasted, and no more.
        """
        fading = _MEMORY_NANOSECONDS / (_MEMORY_NANOSECONDS + nanoseconds)
        self._items = self._items * fading + items
        self._busy = self._busy * fading + nanoseconds

    def admits(self, waiting: int, patience: float | None = None) -> bool:
        """Whether one more request may wait behind ``waiting`` others.

        Args:
            waiting: how many are before it. Behind none it is always admitted: a model that is slower than what was
                promised is to be used all the same.
            patience: nanoseconds until the request's own deadline.

        """
        if waiting == 0:
            return True
        wait = waiting * self._busy / self._items
        return wait <= self._longest_wait and waiting < MAX_WAITING and (patience is None or wait < patience)

    def retry_seconds(self, now: int) -> int:
        """When one that is turned away should come back; called once for each of them.

        All that were turned away within a second take some seconds to be answered. Their returns are spread over twice
        that time, so that they leave room for those who come for the first time.

        Args:
            now: nanoseconds of a clock that only grows.

        """
        second = now // _SECOND
        if second != self._second:
            before = self._turned_away[1] if second == self._second + 1 else 0
            self._second, self._turned_away = second, [before, 0]
        self._turned_away[1] += 1
        spread = int(2 * max(self._turned_away) * self._busy / self._items / _SECOND)
        return 1 + self._turned_away[1] % (min(spread, MAX_RETRY_SECONDS - 1) + 1)
