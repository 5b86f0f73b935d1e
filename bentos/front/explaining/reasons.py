"""Reasons of sampled decisions: for as many of them as a tenth of the reporter's time is enough for.

The reporter's thread also brings exposures to the ledger, on which rollouts are judged: those must not wait because a
model is slow to explain. A decision that is kept without reasons can be explained later from the same artifact.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from bentos.front.explaining.beside import Explaining
from bentos.front.schema import Rows
from marquee.contract.privacy import MAX_LOGGED_INPUTS

SHARE: Final = 0.1
LONGEST_SECONDS: Final = 1.0
"""That one decision may take."""
_SECOND: Final = 1_000_000_000


class Reasons:
    """Explains one row at a time for another thread than the event loop's.

    Args:
        explaining: of the pod.
        loop: that it belongs to.
        clock: seconds that only grow.

    """

    def __init__(
        self, explaining: Explaining, loop: asyncio.AbstractEventLoop, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._explaining = explaining
        self._loop = loop
        self._clock = clock
        self._since = clock()
        self._spent = 0.0

    def __call__(self, row: Rows) -> Mapping[str, float]:
        """What weighed most in the answer to a row of shape (1, inputs), by input; nothing when the time is used up.

        Raises whatever `Explaining.explain` raises.
        """
        started = self._clock()
        if self._spent > SHARE * (started - self._since):
            return {}
        deadline = time.perf_counter_ns() + int(LONGEST_SECONDS * _SECOND)
        asked = asyncio.run_coroutine_threadsafe(self._explaining.explain(row, deadline=deadline), self._loop)
        try:
            (explanation,) = asked.result(2 * LONGEST_SECONDS)
        finally:
            asked.cancel()
            self._spent += self._clock() - started
        return {reason.input: reason.attribution for reason in explanation.reasons(MAX_LOGGED_INPUTS)}
