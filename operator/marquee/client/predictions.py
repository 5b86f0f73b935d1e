"""A prediction: the body that asks for it, and what the answer says. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marquee.client.answers import Answer, problem_of
from marquee.client.errors import InvalidRequestError, PredictionFailedError
from marquee.client.retrying import retry_after_seconds

PREDICT_PATH: Final = "/predict"
HEADER_PREDICTION_ID: Final = "marquee-prediction-id"
HEADER_WITHHELD: Final = "marquee-withheld"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model said of one unit."""

    id: str
    """Opaque; keep it with the user's session or order, and report outcomes with it."""
    outputs: Mapping[str, float]
    model: str
    """Name of the model."""
    revision: str
    """Name of the revision that answered."""
    withheld: str = ""
    """Why this is no prediction but what everybody gets instead: ``consent``, ``suppressed``; empty: it is one."""


def prediction_body(inputs: Mapping[str, Any]) -> bytes:
    """The JSON of a request.

    Args:
        inputs: every field of the model by its name: numbers (numpy's too), texts, or None for a missing value.

    Raises:
        InvalidRequestError: a value cannot be written in JSON; the message names its field.

    """
    for name, value in inputs.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidRequestError(f"inputs.{name}: is {value}; send None for a missing value")
    try:
        text = json.dumps({"inputs": dict(inputs)}, allow_nan=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"inputs: cannot be written as JSON: {error}") from None
    return text.encode()


def read_prediction(answer: Answer) -> Prediction:
    """The prediction in an answer.

    Raises:
        PredictionFailedError: there is none; it carries the server's reason.

    """
    if answer.status != 200:
        problem = problem_of(answer)
        raise PredictionFailedError(
            f"no prediction: HTTP status {answer.status}: {problem.detail}",
            status=answer.status,
            kind=problem.kind,
            retry_seconds=retry_after_seconds(answer.headers.get("retry-after")),
        )
    document = answer.document()
    try:
        return Prediction(
            id=answer.headers.get(HEADER_PREDICTION_ID) or document["predictionId"],
            outputs=document["outputs"],
            model=document["model"],
            revision=document["revision"],
            withheld=answer.headers.get(HEADER_WITHHELD, ""),
        )
    except KeyError as error:
        raise PredictionFailedError(
            f"the answer is no prediction: it has no {error}; does the address lead to a model?", status=answer.status
        ) from None


def _plain(value: object) -> Any:
    """A scalar of numpy as Python's own."""
    item = getattr(value, "item", None)
    if item is None:
        raise TypeError(f"{type(value).__name__} is neither number nor text")
    return item()
