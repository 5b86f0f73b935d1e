"""The metrics that contenders can be compared by, and the slices that they are told for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import CategoryField, InputField
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.metrics import auc, calibration_error, lift, log_losses

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]

_TOP_SHARE: Final = 0.2
_DIGITS: Final = 6
_MOST_LETTERS: Final = 63
"""Of a slice's name."""

METRICS: Final[Mapping[str, Callable[[Numbers, Labels], float]]] = {
    "auc": auc,
    "brier": lambda score, label: float(((score - label) ** 2).mean()),
    "calibration_error": calibration_error,
    "lift_top_20": lambda score, label: lift(score, label, _TOP_SHARE),
    "log_loss": lambda score, label: float(log_losses(score, label).mean()),
}
"""Of probabilities and what came of them."""
_NEED_BOTH: Final = frozenset({"auc"})
"""Undefined where all rows have one outcome; the lift alone where that is the negative."""
_NEED_POSITIVES: Final = frozenset({"auc", "lift_top_20"})


def check_metrics(names: Sequence[str], setting: str) -> None:
    """Refuse a metric that nobody knows.

    Raises:
        TrainingError: ``ArgumentsInvalid``.

    """
    if unknown := [name for name in names if name not in METRICS]:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"{setting}: there is no metric {unknown[0]!r}; known are: {', '.join(METRICS)}",
        )


def check_slices(names: Sequence[str], fields: Sequence[InputField], setting: str) -> None:
    """Refuse a slice by what is no input.

    Raises:
        TrainingError: ``ArgumentsInvalid``.

    """
    known = {field.name for field in fields}
    if unknown := [name for name in names if name not in known]:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"{setting}: {unknown[0]!r} is no input of the model; inputs are: {', '.join(sorted(known))[:500]}",
        )


def measured(names: Sequence[str], score: Numbers, label: Labels) -> dict[str, float]:
    """The metrics that these rows define, to six significant digits."""
    positives = int(label.sum())
    undefined: set[str] = set()
    if positives == 0:
        undefined |= _NEED_POSITIVES
    if positives == len(label):
        undefined |= _NEED_BOTH
    values = {name: METRICS[name](score, label) for name in names if name not in undefined and len(label)}
    return {name: float(f"{value:.{_DIGITS}g}") for name, value in values.items() if math.isfinite(value)}


def slices(names: Sequence[str], fields: Sequence[InputField], rows: Numbers) -> list[tuple[str, NDArray[np.bool_]]]:
    """Each value of each of the inputs, as ``input=value`` and its rows.

    The largest of each input come first, as only so many are told and a gate refuses when one of its inputs is not
    among them; then those with the most rows.
    """
    by_input = [sorted(_slices_of(name, fields, rows), key=_most_rows_first) for name in names]
    return [
        *sorted((found[0] for found in by_input if found), key=_most_rows_first),
        *sorted((each for found in by_input for each in found[1:]), key=_most_rows_first),
    ]


def _most_rows_first(part: tuple[str, NDArray[np.bool_]]) -> tuple[int, str]:
    return -int(part[1].sum()), part[0]


def _slices_of(name: str, fields: Sequence[InputField], rows: Numbers) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    column = next(index for index, field in enumerate(fields) if field.name == name)
    field, values = fields[column], rows[:, column]
    for value in np.unique(values[~np.isnan(values)]):
        word = field.categories[int(value)] if isinstance(field, CategoryField) else f"{value:g}"
        yield f"{name}={word}"[:_MOST_LETTERS], values == value
    if (missing := np.isnan(values)).any():
        yield f"{name}="[:_MOST_LETTERS], missing
