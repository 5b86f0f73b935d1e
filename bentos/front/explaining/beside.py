"""Explanations beside predictions: one at a time, in a thread of their own, and never before a prediction.

An explanation asks the model for thousands of rows. It does so in pieces of about a millisecond, or of two predictions
where those take longer, and waits before each while predictions wait. Who would have to wait for longer than a
prediction may is turned away, by the same law (`admission`), counted in rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from bentos.front.admission import DEFAULT_WAIT_SECONDS, Admission
from bentos.front.explaining.explainer import Explainer, Explanation
from bentos.front.predictor import DeadlineError, OverloadedError, Predictor
from bentos.front.schema import Rows

MOST_SECONDS: Final = 30
"""That a request takes, once it is its turn."""
_GIVES_WAY_SECONDS: Final = 0.02
"""That each piece waits for predictions, at most: under a load that never ends explanations still end."""
_LOOKS_SECONDS: Final = 0.001
_FIRST_SECONDS: Final = 0.1
_SECOND: Final = 1_000_000_000


class TooSlowError(DeadlineError):
    """An explanation took longer than its request, or anybody, may."""


class Explaining:
    """The explanations of one pod.

    Args:
        predictor: the model, warmed up.
        wait_seconds: how long a request may wait for its turn.
        busy: whether predictions wait; asked in another thread.

    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self.explainer = Explainer(predictor)
        self.rows = 0
        """Explained since the start."""
        self.seconds = 0.0
        """Spent on them."""
        self._busy = busy
        self._admission = Admission(wait_seconds=wait_seconds, first_seconds=_FIRST_SECONDS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._waiting = 0

    def retry_seconds(self) -> int:
        """When a request that was turned away should come back; called once for each."""
        return self._admission.retry_seconds(time.perf_counter_ns())

    async def explain(self, rows: Rows, *, output: str | None = None, deadline: int | None = None) -> list[Explanation]:
        """Why each row has its output.

        Args:
            rows: shape (rows, inputs), as the schema encodes them.
            output: its name; None: the main one.
            deadline: by `time.perf_counter_ns`.

        Raises:
            OverloadedError: too many rows are waiting.
            TooSlowError: the deadline, or `MOST_SECONDS`, was over before all were explained.
            ModelOutputError: the model gave NaN, or no usable answer, on the way.
            ModelFailedError, ModelUnavailableError: a model server did not answer.

        """
        patience = None if deadline is None else deadline - time.perf_counter_ns()
        if not self._admission.admits(self._waiting, patience):
            raise OverloadedError
        loop, name = asyncio.get_running_loop(), output or self.explainer.main
        self._waiting += len(rows)
        try:
            return await loop.run_in_executor(self._thread, self._explain, rows, name, deadline, loop)
        finally:
            self._waiting -= len(rows)

    def _explain(
        self, rows: Rows, output: str, deadline: int | None, loop: asyncio.AbstractEventLoop
    ) -> list[Explanation]:
        started = time.perf_counter_ns()
        end = started + MOST_SECONDS * _SECOND
        end = end if deadline is None else min(end, deadline)
        found: list[Explanation] = []

        def between() -> None:
            self._give_way(loop)
            if time.perf_counter_ns() >= end or loop.is_closed():
                raise TooSlowError

        try:
            for row in np.split(rows, len(rows)):
                explanation = self.explainer.explain(row, output, loop, between=between)
                found.append(explanation)
        finally:  # one that took too long tells most of how long they take
            self._learn(len(found), time.perf_counter_ns() - started)
        return found

    def _learn(self, rows: int, nanoseconds: int) -> None:
        self._admission.observe(max(rows, 1), nanoseconds)
        self.rows += rows
        self.seconds += nanoseconds / _SECOND

    def _give_way(self, loop: asyncio.AbstractEventLoop) -> None:
        until = time.monotonic() + _GIVES_WAY_SECONDS
        while self._busy() and time.monotonic() < until and not loop.is_closed():
            time.sleep(_LOOKS_SECONDS)
