"""An event loop whose clock jumps to the next timer instead of waiting for it: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")

_LIVELOCK_TURNS = 2_000
_LATEST_SECONDS = 100_000.0
"""No test means to live longer than a day; one that does waits for what will not happen."""


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0  # of the loop since the clock last moved

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: every task waits and no timer is set")
        self._turns += 1
        if timeout and not ready:
            self.now += timeout
            self._turns = 0
        if self._turns > _LIVELOCK_TURNS:
            raise RuntimeError(f"livelock: tasks go on without end while the clock stands at {self.now} s")
        if self.now > _LATEST_SECONDS:
            raise RuntimeError(f"endless: the clock stands at {self.now} s and the test still waits")
        if self._turns > _LIVELOCK_TURNS / 2:
            # The loop fires timers up to its resolution, a nanosecond, early; real time passes meanwhile.
            self.now += 1e-9
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Only for tests without sockets: real I/O would not be waited for."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine to its end in virtual time, starting at 0 s."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
