"""What became of a window's answers, once their outcomes are in: performance, and its gap to what the scores promised.

Two gaps, each in standard errors of what chance alone would show if rows were independent:

- *calibration*: outcomes against the sum of the scores. A bin of n answers with mean score p promises n p outcomes with
  variance n p (1-p); for values the variance is that of the errors.
- *discrimination*: the measured area under the curve against the one that the scores promise (CBPE), with the standard
  error of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988) from counts by bin.

Both ask about one direction each, so that their noise beyond chance is one number, see `gaps`; a chi-square over all
bins has the heavy tail that `comparing` describes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marquee.evidence.drift.performing import Performance, ScoreBin, estimated, measured, performance
from marquee.evidence.errors import CountsError

MINIMUM_PROMISED: Final = 10.0
"""Outcomes, and answers without one, that a window must promise: below it a normal approximation says nothing."""
MOST_UNACCOUNTED: Final = 0.01
"""Outcomes of answers that were never counted, as a share of the answers: a pod that was killed leaves a few."""
CERTAIN: Final = 2.3263478740408408
"""Standard errors: 99 %, on one side."""


class Gap(StrEnum):
    """What may differ from what the scores promise."""

    CALIBRATION = "Calibration"
    DISCRIMINATION = "Discrimination"


class Unusable(StrEnum):
    """Why a window says nothing."""

    NO_ANSWERS = "NoAnswers"
    TOO_FEW = "TooFew"
    NO_OUTCOMES = "NoOutcomes"
    """Where some were promised: the feed of outcomes is broken, not the model."""
    BROKEN_FEED = "BrokenFeed"
    """What its answers were made of was broken, as whoever has its counters says: it tells nothing of the model."""
    UNACCOUNTED = "Unaccounted"
    """More outcomes than answers: counters are lost."""


@dataclass(frozen=True, slots=True)
class Matured:
    """Counts of a window by bin of the score, when no more outcomes are waited for."""

    start: int
    """Number of the window."""
    rows: tuple[int, ...]
    """Answers."""
    outcomes: tuple[int, ...]
    """Answers with an outcome."""
    totals: tuple[float, ...] = ()
    """Sum of the outcomes' values; none for a proportion."""
    squares: tuple[float, ...] = ()
    """Sum of their squares."""

    def __post_init__(self) -> None:
        columns = [self.rows, self.outcomes, *(column for column in (self.totals, self.squares) if column)]
        if len({len(column) for column in columns}) != 1 or bool(self.totals) != bool(self.squares):
            raise CountsError("outcomes", "are of other bins than the answers", "read the windows again")
        if min(min(column, default=0) for column in columns) < 0:
            raise CountsError("outcomes", "hold a negative count", "counters only grow: read them again")

    @property
    def whole_rows(self) -> tuple[int, ...]:
        """Answers, with those that were never counted but have an outcome."""
        return tuple(map(max, self.rows, self.outcomes))


@dataclass(frozen=True, slots=True)
class Difference:
    """One gap of one window."""

    residual: float
    """In standard errors, if rows are independent; below 0: fewer outcomes, or a smaller area."""
    effect: float
    """Calibration: outcomes above those promised, as a share of them. Discrimination: the area above that promised."""


@dataclass(frozen=True, slots=True)
class Realised:
    """What a window shows."""

    window: int
    rows: int
    outcomes: int
    unusable: Unusable | None = None
    promised: Performance | None = None
    """Of a proportion, by the scores' own promise; None where it is unusable, or of values."""
    performance: Performance | None = None
    """Of a proportion, as it turned out."""
    mean_error: float | None = None
    """Of values: the mean of outcome less score; an answer without an outcome is worth 0."""
    root_mean_square_error: float | None = None
    """Of values, with answers at their bin's mean score."""
    differences: Mapping[Gap, Difference] | None = None
    bins: tuple[ScoreBin, ...] = ()
    """Of a proportion, as it turned out."""


def realised(window: Matured, scores: Sequence[float]) -> Realised:
    """What became of a window.

    Args:
        window: its counts.
        scores: mean score of each bin, rising; probabilities unless the window has values.

    Raises:
        CountsError: they do not fit each other.

    """
    if len(scores) != len(window.rows):
        raise CountsError("outcomes", f"are of {len(window.rows)} bins for {len(scores)} scores", "read them again")
    rows, outcomes = sum(window.whole_rows), sum(window.outcomes)
    promised = math.fsum(count * score for count, score in zip(window.whole_rows, scores, strict=True))
    unusable = _unusable(window, rows, outcomes, promised)
    if unusable is not None:
        return Realised(window.start, rows, outcomes, unusable)
    of_values = bool(window.totals)
    return _values(window, scores, promised) if of_values else _proportion(window, scores)


def loss(now: Iterable[Realised], usual: Iterable[Realised], noise: float = 1.0) -> float | None:
    """How much of the usual windows' measured area is lost for certain (99 %), as a share; None: not known.

    Args:
        now: windows, together.
        usual: windows, together.
        noise: variance of a window's area, in units of what chance alone would show.

    """
    later, before = (_pooled(windows) for windows in (now, usual))
    areas = [performance(bins).auc for bins in (later, before)]
    errors = [area_error(bins) for bins in (later, before)]
    if areas[0] is None or not areas[1] or errors[0] is None or errors[1] is None:
        return None
    doubt = CERTAIN * math.sqrt(noise * (errors[0] ** 2 + errors[1] ** 2))
    return (areas[1] - areas[0] - doubt) / areas[1]


def area_error(bins: Sequence[ScoreBin]) -> float | None:
    """Standard error of the area under the curve by DeLong's method; None: too few of either kind.

    The placement of a positive is the share of negatives below it, ties counted by half, and the other way round.
    """
    positives, negatives = (math.fsum(getattr(each, name) for each in bins) for name in ("positives", "negatives"))
    if min(positives, negatives) < 2:
        return None
    area = performance(bins).auc or 0.0
    below, above = 0.0, positives
    of_positives, of_negatives = [], []
    for each in bins:
        above -= each.positives
        of_positives.append(each.positives * ((below + each.negatives / 2) / negatives - area) ** 2)
        of_negatives.append(each.negatives * ((above + each.positives / 2) / positives - area) ** 2)
        below += each.negatives
    variance = math.fsum(of_positives) / (positives - 1) / positives
    return math.sqrt(variance + math.fsum(of_negatives) / (negatives - 1) / negatives)


def _unusable(window: Matured, rows: int, outcomes: int, promised: float) -> Unusable | None:
    if not rows:
        return Unusable.NO_ANSWERS
    if rows - sum(window.rows) > MOST_UNACCOUNTED * rows:
        return Unusable.UNACCOUNTED
    if window.totals:
        return Unusable.TOO_FEW if rows < MINIMUM_PROMISED else None if outcomes else Unusable.NO_OUTCOMES
    if min(promised, rows - promised) < MINIMUM_PROMISED:
        return Unusable.TOO_FEW
    return None if outcomes else Unusable.NO_OUTCOMES


def _proportion(window: Matured, scores: Sequence[float]) -> Realised:
    rows, hits = window.whole_rows, window.outcomes
    bins = measured(scores, [count - hit for count, hit in zip(rows, hits, strict=True)], hits)
    promise, found = performance(estimated(scores, rows)), performance(bins)
    expected = math.fsum(count * score for count, score in zip(rows, scores, strict=True))
    variance = math.fsum(count * score * (1 - score) for count, score in zip(rows, scores, strict=True))
    excess = sum(hits) - expected
    differences = {Gap.CALIBRATION: Difference(excess / math.sqrt(variance), excess / expected)} if variance else {}
    error = area_error(bins) if min(sum(hits), sum(rows) - sum(hits)) >= MINIMUM_PROMISED else None
    if error and found.auc is not None and promise.auc is not None:
        more = found.auc - promise.auc
        differences[Gap.DISCRIMINATION] = Difference(more / error, more)
    return Realised(
        window.start,
        sum(rows),
        sum(hits),
        promised=promise,
        performance=found,
        differences=differences,
        bins=bins,
    )


def _values(window: Matured, scores: Sequence[float], promised: float) -> Realised:
    rows = sum(window.whole_rows)
    error = (math.fsum(window.totals) - promised) / rows
    columns = zip(window.whole_rows, window.totals, window.squares, scores, strict=True)
    square = math.fsum(total2 - 2 * score * total + count * score**2 for count, total, total2, score in columns) / rows
    variance = max(0.0, square - error**2)
    differences = {}
    if variance and promised > 0:
        residual = error * math.sqrt(rows / variance)
        differences[Gap.CALIBRATION] = Difference(residual, error * rows / promised)
    return Realised(
        window.start,
        rows,
        sum(window.outcomes),
        mean_error=error,
        root_mean_square_error=math.sqrt(max(0.0, square)),
        differences=differences,
    )


def _pooled(windows: Iterable[Realised]) -> tuple[ScoreBin, ...]:
    together: list[ScoreBin] = []
    for window in windows:
        if not together:
            together = list(window.bins)
        elif window.bins:
            pairs = zip(together, window.bins, strict=True)
            together = [ScoreBin(a.score, a.negatives + b.negatives, a.positives + b.positives) for a, b in pairs]
    return tuple(together)
