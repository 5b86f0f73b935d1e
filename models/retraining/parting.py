"""Parts the examples of a window into those to learn from and the newest, which no contender has learned from."""

from __future__ import annotations

import math
from typing import Final

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.examples import Examples

HELD_OUT_SHARE: Final = 0.2
FEWEST_OF_A_KIND: Final = 10
"""Rows of each outcome in either part; with fewer a metric is noise and a model learns nothing."""


def newest_apart(examples: Examples) -> tuple[Examples, Examples]:
    """Older and newest examples; those of one instant stay together.

    Raises:
        TrainingError: ``DataInsufficient``.

    """
    first = min(math.floor(len(examples) * (1 - HELD_OUT_SHARE)), len(examples) - 1)
    cut = examples.time[first]
    if cut == examples.time[0]:
        raise _insufficient("nearly all rows have the oldest timestamp, so that none are newer to compare on")
    older = examples.time < cut
    training, held_out = examples.where(older), examples.where(~older)
    for what, part in (("to learn from", training), ("to compare on", held_out)):
        check_enough(part, what)
    return training, held_out


def check_enough(examples: Examples, what: str) -> None:
    """Refuse too few rows of an outcome.

    Raises:
        TrainingError: ``DataInsufficient``.

    """
    positives = int(examples.label.sum())
    if min(positives, len(examples) - positives) < FEWEST_OF_A_KIND:
        raise _insufficient(
            f"of {len(examples):,} rows {what} {positives:,} are positive; at least {FEWEST_OF_A_KIND} must be, and as "
            "many negative: widen the window"
        )


def _insufficient(what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.DATA_INSUFFICIENT, what)
