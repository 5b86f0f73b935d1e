"""How good a binary score is: estimated before outcomes are known, measured once they are. From counts by score bin.

*Estimated* (confidence-based performance estimation, CBPE: NannyML's method): where the score is a calibrated
probability, a bin of n rows with mean score p holds n p positives and n (1-p) negatives, whatever became of them.
*Measured*: the counts of outcomes by score bin, exactly. Both are the same functions of (negatives, positives) by bin.
Calibration is what the estimate rests on: the gap between the two is an alarm for a changed relation between inputs
and outcomes, which the inputs alone cannot show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from marquee.evidence.errors import CountsError


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Rows of one range of scores. Estimated rows need not be whole."""

    score: float
    """Mean score of the rows, or the middle of the range; 0 to 1."""
    negatives: float
    positives: float

    @property
    def rows(self) -> float:
        """Both."""
        return self.negatives + self.positives


@dataclass(frozen=True, slots=True)
class Performance:
    """Of a score. Each is None where the rows do not define it, such as an area with no positive row."""

    rows: float
    auc: float | None
    """Area under the receiver operating characteristic; ties within a bin count half."""
    brier: float | None
    """Mean squared difference of score and outcome, with a bin's rows at the bin's score."""
    calibration_error: float | None
    """Expected calibration error: mean absolute difference of score and positive share over bins."""
    accuracy: float | None
    """At the threshold."""
    f1: float | None
    """At the threshold: harmonic mean of precision and recall."""


def estimated(scores: Sequence[float], counts: Sequence[int]) -> tuple[ScoreBin, ...]:
    """What a calibrated score's bins hold.

    Args:
        scores: mean score of each bin, rising, 0 to 1.
        counts: rows of each bin.

    Raises:
        CountsError: they do not fit each other, or a score is no probability.

    """
    _check(scores, counts)
    return tuple(
        ScoreBin(score, count * (1 - score), count * score) for score, count in zip(scores, counts, strict=True)
    )


def measured(scores: Sequence[float], negatives: Sequence[int], positives: Sequence[int]) -> tuple[ScoreBin, ...]:
    """What the bins turned out to hold. Raises `CountsError` as `estimated` does."""
    _check(scores, negatives)
    _check(scores, positives)
    return tuple(map(ScoreBin, scores, map(float, negatives), map(float, positives)))


def performance(bins: Sequence[ScoreBin], threshold: float = 0.5) -> Performance:
    """The figures, with bins in rising order of their scores; a bin is called positive from the threshold on."""
    rows = math.fsum(each.rows for each in bins)
    if not rows:
        return Performance(0.0, None, None, None, None, None)
    called = [each for each in bins if each.score >= threshold]
    hits = math.fsum(each.positives for each in called)
    false_alarms = math.fsum(each.negatives for each in called)
    misses = math.fsum(each.positives for each in bins) - hits
    denominator = 2 * hits + false_alarms + misses
    return Performance(
        rows=rows,
        auc=_auc(bins),
        brier=math.fsum(_squares(each) for each in bins) / rows,
        calibration_error=math.fsum(abs(each.positives - each.rows * each.score) for each in bins) / rows,
        accuracy=(rows - false_alarms - misses) / rows,
        f1=2 * hits / denominator if denominator > 0 else None,
    )


def _auc(bins: Sequence[ScoreBin]) -> float | None:
    positives, negatives = (math.fsum(getattr(each, name) for each in bins) for name in ("positives", "negatives"))
    if not positives or not negatives:
        return None
    below, pairs = 0.0, []
    for each in bins:
        pairs.append(each.positives * (below + each.negatives / 2))
        below += each.negatives
    return math.fsum(pairs) / (positives * negatives)


def _squares(each: ScoreBin) -> float:
    return each.positives * (1 - each.score) ** 2 + each.negatives * each.score**2


def _check(scores: Sequence[float], counts: Sequence[int]) -> None:
    if len(scores) != len(counts):
        raise CountsError("counts", f"are {len(counts)} for {len(scores)} scores", "give one for each bin")
    if any(not 0 <= score <= 1 for score in scores) or any(a > b for a, b in pairwise(scores)):
        raise CountsError("scores", "do not rise from 0 to 1", "give the mean score of each bin, in order")
    if any(count < 0 for count in counts):
        raise CountsError("counts", "hold a negative one", "counters only grow: read them again")
