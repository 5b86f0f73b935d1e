"""What the event loop keeps of each request, for the reporter's thread to count: no arithmetic, no I/O, no locks.

A row counts when it has passed validation, whether its answer then comes from the model, the cache or not at all. A
request that is turned away unread counts nothing; one that validation refuses is a row without values, and its wrong
fields are counted as such. Whatever goes wrong here is logged once, and the prediction goes on.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from bentos.front.columns import CategoryColumn, ErrorKind
from bentos.front.drift.binning import Bins, Rows
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from bentos.front.schema import FieldError, Schema
from marquee.contract.drift import SLICE_SECONDS, SPECIALS
from marquee.contract.prediction import NO_BIN

log = logging.getLogger(__name__)

FULL_ROWS: Final = 512
"""So many rows are handed over before the second is over."""
MAX_VALUES: Final = 2**20
"""In memory, 8 MB; only a stalled reporter lets so many come together."""
_INPUTS: Final = "/inputs/"
_SPECIAL: Final[dict[ErrorKind, str]] = {
    "missing": "missing",
    "type": "wrong",
    "number": "wrong",
    "range": "wrong",
    "category": "unseen",
}


class Sheaf:
    """What came in one slice of time since the last hand-over."""

    __slots__ = ("refused", "rows", "scores", "size", "slice", "special", "traced")

    def __init__(self, slice_: int) -> None:
        self.slice = slice_
        self.rows: list[Rows] = []
        self.scores: list[Sequence[float]] = []
        self.traced: list[int] = []
        """Bins of the scores that ids name."""
        self.size = 0
        """Number of rows."""
        self.refused = 0
        self.special: Counter[int] = Counter()
        """Additions to counters by their place; one that stands for an unlisted text is taken back."""


class _Unlisted(Protocol):
    unlisted: int


class Gathering:
    """Gathers rows and scores of one model; for the event loop alone.

    Args:
        bins: of its manifest.
        schema: of its inputs, which knows of unlisted texts.
        statistics: of the reporter, for what has to be dropped.
        on_full: called when enough rows are there.
        clock: seconds since 1970.

    """

    def __init__(
        self,
        bins: Bins,
        schema: Schema,
        statistics: Statistics,
        on_full: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bins = bins
        self._statistics = statistics
        self._on_full = on_full
        self._clock = clock
        self._score = bins.score
        self._edges = bins.score_edges
        self._values = 0
        self._unlisted: list[tuple[_Unlisted, int, int]] = [
            (column.indexes, *bins.others[position])
            for position, column in enumerate(schema.columns)
            if isinstance(column, CategoryColumn) and position in bins.others
        ]
        self._sheaf = Sheaf(self._slice())
        self._before: list[Sheaf] = []
        self._broken = False

    @property
    def pending(self) -> bool:
        """Whether there is something to hand over."""
        return bool(self._before or self._sheaf.size or self._sheaf.refused or self._sheaf.scores)

    def accept(self, rows: Rows) -> None:
        """Rows that have passed validation."""
        try:
            sheaf = self._now()
            if self._values + rows.size > MAX_VALUES:
                self._statistics.drop(Kind.DRIFT, Reason.BUFFER_FULL, len(rows))
                return
            self._values += rows.size
            sheaf.rows.append(rows)
            sheaf.size += len(rows)
            for table, other, unseen in self._unlisted:
                if table.unlisted:
                    count, table.unlisted = min(table.unlisted, len(rows)), 0
                    sheaf.special[other] -= count
                    sheaf.special[unseen] += count
            if sheaf.size >= FULL_ROWS:
                self._on_full()
        except Exception as error:  # noqa: BLE001 - a prediction is worth more than a count
            self._stumble(error)

    def answer(self, values: Sequence[Sequence[float]]) -> int:
        """Outputs of rows, by output. The bin of a single row's score, which its id may name; else `NO_BIN`."""
        try:
            if self._score is not None and self._values < MAX_VALUES:
                scores = values[self._score]
                self._now().scores.append(scores)
                self._values += len(scores)
                if len(scores) == 1:
                    return bisect_right(self._edges, scores[0])
        except Exception as error:  # noqa: BLE001 - a prediction is worth more than a count
            self._stumble(error)
        return NO_BIN

    def trace(self, score_bin: int) -> None:
        """An id that names this bin goes out with the answer that was given last."""
        self._sheaf.traced.append(score_bin)

    def refuse(self, errors: Iterable[FieldError]) -> None:
        """A request that has not passed validation: a row, of which only what is wrong is known."""
        try:
            sheaf = self._now()
            sheaf.refused += 1
            self.forget()
            for error in errors:
                name = error.pointer.removeprefix(_INPUTS)
                block, special = self._bins.blocks.get(name), _SPECIAL.get(error.kind)
                if block is not None and special is not None and name != error.pointer:
                    sheaf.special[block.start + block.bins + SPECIALS.index(special)] += 1
        except Exception as error:  # noqa: BLE001 - a prediction is worth more than a count
            self._stumble(error)

    def forget(self) -> None:
        """What was encoded last is not counted."""
        for table, _, _ in self._unlisted:
            table.unlisted = 0

    def take(self) -> list[Sheaf]:
        """Hand over what was gathered, and begin anew."""
        sheaves = [*self._before, self._sheaf]
        self._before, self._sheaf, self._values = [], Sheaf(self._sheaf.slice), 0
        return [sheaf for sheaf in sheaves if sheaf.size or sheaf.refused or sheaf.scores]

    def _now(self) -> Sheaf:
        """The sheaf of this moment. A clock that is set back a little goes on in the slice in which it was."""
        slice_ = self._slice()
        if slice_ != self._sheaf.slice and slice_ != self._sheaf.slice - 1:
            self._before.append(self._sheaf)
            self._sheaf = Sheaf(slice_)
        return self._sheaf

    def _slice(self) -> int:
        return int(self._clock()) // SLICE_SECONDS

    def _stumble(self, error: Exception) -> None:
        if not self._broken:
            self._broken = True
            log.error("drift cannot be counted; predictions go on, and this is said once", exc_info=error)
