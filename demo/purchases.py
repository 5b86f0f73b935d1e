"""What simulated users buy after their predictions, and how the ledger hears of it: in batches, every second."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final

from marquee.client import ClientError, LedgerClient, Outcome

OUTCOME: Final = "conversion"
OUTSIDE_OF_A_ROLLOUT: Final = "no-rollout"
"""What the ledger says of purchases while there is nothing to compare: users buy all the time."""
_REPORT_SECONDS: Final = 1.0


@dataclass
class Purchases:
    """Draws who buys, and reports it. Safe for threads.

    Args:
        ledger: takes the outcomes.
        chances: of buying, by the name of the revision that answered.

    """

    ledger: LedgerClient
    chances: Mapping[str, float]
    bought: Counter[str] = field(default_factory=Counter)
    """By revision."""
    refused: list[str] = field(default_factory=list)
    """Outcomes that the ledger would not take."""
    given_up: list[str] = field(default_factory=list)
    """Reports that it did not take in time, however often they were sent."""
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a simulation
    _outcomes: SimpleQueue[Outcome] = field(default_factory=SimpleQueue)
    _leaving: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def reporting(self) -> Iterator[Purchases]:
        """Report while the block runs, and at its end what is left."""
        thread = threading.Thread(target=self._report, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._leaving.set()
            thread.join()
            self._send()

    def after(self, prediction_id: str, revision: str) -> None:
        """Somebody has got a prediction: perhaps it makes him buy."""
        if self._chance.random() < self.chances.get(revision, 0.0):
            self.bought[revision] += 1
            self._outcomes.put(Outcome(prediction_id, OUTCOME))

    def _report(self) -> None:
        while not self._leaving.wait(_REPORT_SECONDS):
            self._send()

    def _send(self) -> None:
        batch = []
        while True:
            try:
                batch.append(self._outcomes.get_nowait())
            except Empty:
                break
        if not batch:
            return
        try:
            receipt = self.ledger.report(batch)
        except ClientError as error:
            self.given_up.append(str(error))
        else:
            told = [refusal for refusal in receipt.refused if refusal.reason != OUTSIDE_OF_A_ROLLOUT]
            self.refused += [f"{refusal.reason}: {refusal.detail}" for refusal in told]
