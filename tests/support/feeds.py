"""A model's traffic of past hours, told to the ledger as its pods tell it: same bins, same batches, same credentials.

The ledger's windows go by the wall clock, and no test waits for hours. So all windows are there from the beginning, and
what happens next is told as batches that come late, such as those of a pod that was cut off for a while: they add to
the newest windows and change the verdict on them, as any late batch does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx
import numpy as np

from bentos.front.drift.binning import Bins
from marquee.contract.drift import CONTENT_TYPE, DRIFT_PATH, EPOCH_BYTES, SLICE_SECONDS, SPECIALS, DriftBatch
from models.data.examples import Numbers
from models.retraining.fetching import FetchedArtifact
from models.retraining.scoring import score

SETTLE_SECONDS: Final = 300
"""Until a window counts as complete, and how much a pod's clock may be ahead of the ledger's."""


@dataclass(frozen=True)
class Windows:
    """Windows of one slice each, around a moment."""

    complete: int
    """The newest one that is complete."""
    newest: int
    """The newest one that the ledger takes; those in between become complete while a test runs."""

    @classmethod
    def at(cls, now: float) -> Windows:
        """Of this moment, in seconds since 1970."""
        return cls(int(now - SETTLE_SECONDS) // SLICE_SECONDS - 1, int(now + SETTLE_SECONDS) // SLICE_SECONDS)

    def last(self, count: int) -> range:
        """So many complete ones, and those that are about to be."""
        return range(self.complete - count + 1, self.newest + 1)


@dataclass
class Feed:
    """The pods of one revision.

    Args:
        http: a client of the ledger that may do what pods may.
        model: ``namespace/name``.
        revision: that they serve.
        artifact: its bytes.

    """

    http: httpx.Client
    model: str
    revision: str
    artifact: FetchedArtifact
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.bins = Bins(self.artifact.manifest)

    def tell(self, windows: Iterable[int], customers: Numbers, rows: int, *, wrong: int = 0, of: str = "") -> bool:
        """Add rows, drawn from these customers, to each window; False: no pod has told the ledger its bins yet.

        Args:
            windows: in rising order.
            customers: as the numbers that a model sees.
            rows: for each window.
            wrong: requests for each window that validation refuses, as a value of a field is of another type.
            of: that field.

        """
        epoch = os.urandom(EPOCH_BYTES)
        for number, window in enumerate(windows):
            counters = self._counted(customers[self.random.integers(0, len(customers), rows)])
            counters[:2] += wrong
            if wrong:
                block = self.bins.blocks[of]
                counters[block.start + block.bins + SPECIALS.index("wrong")] += wrong
            batch = DriftBatch(
                epoch, number, self.bins.layout.digest, self.model, self.revision, window, counters.tolist()
            )
            answer = self.http.post(DRIFT_PATH, content=batch.to_bytes(), headers={"content-type": CONTENT_TYPE})
            if number == 0 and answer.status_code == HTTPStatus.CONFLICT and "profile-unknown" in answer.text:
                return False
            assert answer.status_code == HTTPStatus.OK, answer.text
        return True

    def _counted(self, rows: Numbers) -> np.ndarray:
        counters = np.zeros(self.bins.layout.size, dtype=np.int64)
        manifest = self.artifact.manifest
        scores = score(manifest.runtime, self.artifact.files, rows, output=manifest.outputs[0].name)
        self.bins.count(rows, scores, counters)
        return counters
