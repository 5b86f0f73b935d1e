"""Simulated users: they ask for predictions through the gateway, and some of them buy.

What they ask is real, and so is what they report; that they buy is drawn, with a chance that depends on the revision
which answered them. That is what the canary has to find out.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from demo.purchases import Purchases
from marquee.client import ClientError, ModelClient

THREADS: Final = 4


@dataclass
class Audience:
    """Users of one model.

    Args:
        model: asks for predictions.
        inputs: what is asked; the same for all users.
        purchases: what they do after their predictions.
        rate: requests a second.

    """

    model: ModelClient
    inputs: Mapping[str, Any]
    purchases: Purchases
    rate: float
    answered: Counter[str] = field(default_factory=Counter)
    """Predictions by revision."""
    failures: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _leaving: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[Audience]:
        """Let them ask while the block runs; at its end the last outcomes are reported."""
        asking = [threading.Thread(target=self._ask, daemon=True) for _ in range(THREADS)]
        with self.purchases.reporting():
            for thread in asking:
                thread.start()
            try:
                yield self
            finally:
                self._leaving.set()
                for thread in asking:
                    thread.join()

    def _ask(self) -> None:
        period, due = THREADS / self.rate, time.monotonic()
        while not self._leaving.is_set():
            try:
                prediction = self.model.predict(self.inputs, unit=f"user-{next(self._numbers)}")
            except ClientError as error:
                self.failures.append(str(error))
                continue
            self.answered[prediction.revision] += 1
            self.purchases.after(prediction.id, prediction.revision)
            due = max(due + period, time.monotonic() - 1.0)
            self._leaving.wait(max(0.0, due - time.monotonic()))
