"""Explains single rows of one model, whoever asks: HTTP, or what keeps the reasons of logged decisions.

Blocks for as long as the model takes; `beside.Explaining` brings it to a thread, behind the predictions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from bentos.front.explaining.background import BACKGROUND_ROWS, background_rows
from bentos.front.explaining.gradients import integrated
from bentos.front.explaining.shapley import Attribution, Vector, shapley
from bentos.front.predictor import Predictor
from bentos.front.runtimes import ModelOutputError
from bentos.front.schema import Rows

_CELLS_ASKED: Final = 2**19
"""Numbers that the model is asked about at once, at most: 4 MiB."""
_GRADIENTS: Final = 4
"""A call for gradients takes about as long as one for so many times as many answers."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One input's part."""

    input: str
    attribution: float
    """In the output's unit; negative: it has made the output smaller."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one row has its output."""

    output: str
    value: float
    base: float
    """The usual value: the mean over the background."""
    attributions: dict[str, float]
    """By input; with the base they add up to the value, but for ``error``."""
    method: str
    samples: int
    background: int
    """Rows of it."""
    error: float

    def reasons(self, count: int) -> tuple[Reason, ...]:
        """The largest contributions, the largest first; inputs that have contributed nothing are no reason."""
        ranked = sorted(self.attributions.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
        return tuple(Reason(name, value) for name, value in ranked[:count] if value != 0)


class Explainer:
    """The explainer of one model; made once, as the background stays the same.

    Args:
        predictor: the model.
        rows: of the background.

    """

    def __init__(self, predictor: Predictor, *, rows: int = BACKGROUND_ROWS) -> None:
        manifest = predictor.manifest
        self._predictor = predictor
        self._inputs = tuple(field.name for field in manifest.inputs)
        self._background = background_rows(manifest, predictor.example, rows=rows)
        self._complete = background_rows(manifest, predictor.example, rows=rows, missing=False)
        self._chunk = max(1, min(predictor.rows_aside, _CELLS_ASKED // len(self._inputs)))
        score = manifest.profile.score
        self.main = (score.output if score is not None else None) or predictor.outputs[0]
        """The output that is explained where none is named."""

    def explain(
        self, row: Rows, output: str, loop: asyncio.AbstractEventLoop, *, between: Callable[[], None]
    ) -> Explanation:
        """Why a row has the output; blocks, so call it from a thread that is not the loop's.

        Args:
            row: shape (1, inputs), as the schema encodes it.
            output: its name.
            loop: of the predictions.
            between: called before each question to the model; what it raises ends the explanation.

        Raises:
            ModelOutputError: the model gave NaN, or no usable answer, on the way.
            OverloadedError, ModelFailedError, ModelUnavailableError: a model server did not answer.

        """
        place = self._predictor.outputs.index(output)

        def ask(rows: Rows) -> Vector:
            between()
            answers = self._predictor.predict_aside(rows, loop)
            return np.asarray(answers[place], dtype=np.float64)

        def slopes(rows: Rows) -> Rows:
            between()
            return self._predictor.gradients_aside(rows, output, loop)

        try:
            # where a value is missing there is no way to it, and no gradient
            if self._predictor.differentiable and not np.isnan(row).any() and not np.isnan(self._complete).any():
                background = self._complete
                found = integrated(row, background, ask, slopes, chunk=max(1, self._chunk // _GRADIENTS))
            else:
                background = self._background
                found = shapley(row, background, ask, chunk=self._chunk)
        except ModelOutputError as error:
            raise ModelOutputError(f"{error}, for a row between the explained one and a usual one") from error
        return self._explanation(output, found, len(background))

    def _explanation(self, output: str, found: Attribution, background: int) -> Explanation:
        return Explanation(
            output=output,
            value=found.answer,
            base=found.base,
            attributions=dict(zip(self._inputs, found.values.tolist(), strict=True)),
            method=found.method,
            samples=found.samples,
            background=background,
            error=found.error,
        )
