"""Counters by slice of time, and the batches made of them. For the reporter's thread alone.

Each process has an epoch of its own, and numbers its batches: the ledger can tell a batch that comes twice from two
that are alike. A clock that was set back begins a new epoch, as slices never go back within one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np

from bentos.front.drift.binning import Bins, Counters
from bentos.front.drift.gathering import Sheaf
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.statistics import Kind
from marquee.contract.drift import EPOCH_BYTES, DriftBatch, ProfileReport

PUSH_SECONDS: Final = 60.0
"""What a process that is killed loses at most. A push takes 2 to 6 KB at 60 features."""
BATCH_ROWS: Final = 512
"""Rows that are counted in one go."""
PUSHES_A_PROFILE: Final = 60
"""How often the bins are told again: a ledger that was restored from a backup knows them within the hour."""


class Pushing:
    """Counts sheaves, and makes batches of the counters when it is time.

    Args:
        bins: of the model's manifest.
        model: ``namespace/name``.
        revision: that is served.
        report: says over which bins it counts.
        clock: seconds that only grow.

    """

    def __init__(
        self,
        bins: Bins,
        *,
        model: str,
        revision: str,
        report: ProfileReport,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bins = bins
        self._model = model
        self._revision = revision
        self._profile = report.model_dump_json(by_alias=True).encode()
        self._clock = clock
        self._epoch = os.urandom(EPOCH_BYTES)
        self._number = 0
        self._last = 0
        self._told = 0
        self._sheaves: list[Sheaf] = []
        self._waiting = 0
        self._counters: dict[int, Counters] = {}
        self._push_at = clock() + PUSH_SECONDS
        self.hurries = False
        """Whether the process is about to end."""

    @property
    def pending(self) -> bool:
        """Whether something waits to be pushed."""
        return bool(self._sheaves or self._counters)

    def pause_seconds(self) -> float | None:
        """How long until it is time to push; None: nothing waits."""
        if not self.pending:
            return None
        return 0.0 if self.hurries else max(0.0, self._push_at - self._clock())

    def add(self, sheaf: Sheaf) -> None:
        """Take a sheaf; several are counted together."""
        if self._sheaves and sheaf.slice != self._sheaves[-1].slice:
            self._count()
        self._sheaves.append(sheaf)
        self._waiting += sheaf.size
        if self._waiting >= BATCH_ROWS:
            self._count()

    def introduce(self) -> Batch:
        """The batch that says over which bins it counts."""
        self._told = 0
        return Batch(Kind.PROFILES, self._profile, 1)

    def due(self) -> Iterator[Batch]:
        """The batches for which it is time."""
        if not self.pending or (pause := self.pause_seconds()) is None or pause > 0:
            return
        self._count()
        self._push_at = self._clock() + PUSH_SECONDS
        self._told += 1
        if self._told >= PUSHES_A_PROFILE:
            yield self.introduce()
        counters, self._counters = self._counters, {}
        for slice_ in counters:
            yield self._batch(slice_, counters[slice_])

    def _batch(self, slice_: int, counters: Counters) -> Batch:
        if slice_ < self._last:
            self._epoch, self._number = os.urandom(EPOCH_BYTES), 0
        self._last = slice_
        batch = DriftBatch(
            epoch=self._epoch,
            number=self._number,
            digest=self._bins.layout.digest,
            model=self._model,
            revision=self._revision,
            slice=slice_,
            counters=counters.tolist(),
        )
        self._number += 1
        return Batch(Kind.DRIFT, batch.to_bytes(), int(counters[0]))

    def _count(self) -> None:
        sheaves, self._sheaves, self._waiting = self._sheaves, [], 0
        if not sheaves:
            return
        slice_ = sheaves[0].slice
        if slice_ not in self._counters:
            self._counters[slice_] = np.zeros(self._bins.layout.size, dtype=np.int64)
        counters = self._counters[slice_]
        rows = [part for sheaf in sheaves for part in sheaf.rows]
        self._bins.count(_stacked(rows), _joined(sheaves), counters)
        traced, places = [place for sheaf in sheaves for place in sheaf.traced], self._bins.layout.traced
        if traced:
            counters[places.start : places.stop] += np.bincount(traced, minlength=len(places))
        for sheaf in sheaves:
            counters[0] += sheaf.refused
            counters[1] += sheaf.refused
            for place, count in sheaf.special.items():
                counters[place] += count


def _stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(rows) if rows else np.zeros((0, 0))


def _joined(sheaves: Sequence[Sheaf]) -> np.ndarray:
    return np.fromiter(chain.from_iterable(scores for sheaf in sheaves for scores in sheaf.scores), dtype=np.float64)
