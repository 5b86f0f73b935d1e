"""Outcomes: what is sent to the ledger, in which batches, and what its receipt says. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from marquee.client.answers import Answer, problem_of
from marquee.client.errors import InvalidRequestError

OUTCOMES_PATH: Final = "/v1/outcomes"
MAX_BATCH: Final = 1_000
"""Outcomes in one request. With the longest ids and names that makes 1.2 MB; the ledger takes 4 MiB."""
MAX_ID_LENGTH: Final = 1_024

_OUTCOME_NAME: Final = re.compile(r"[a-z][a-zA-Z0-9_-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to a unit after a prediction.

    The ledger counts a prediction's outcome of one name once, whatever its value: add up what belongs together.

    Raises:
        InvalidRequestError: it could not be sent, or would make the ledger refuse those sent along with it.

    """

    prediction_id: str
    outcome: str
    """Name that the rollout declares, such as ``purchase``."""
    value: float = 1.0
    """1 when it merely happened; else the amount, not negative."""
    time: datetime | None = None
    """When it happened, with a time zone; None: when it is reported."""

    def __post_init__(self) -> None:
        identifier = self.prediction_id
        if not (isinstance(identifier, str) and 1 <= len(identifier) <= MAX_ID_LENGTH and identifier.isascii()):
            raise InvalidRequestError("prediction_id: is the text that came with the prediction, unchanged")
        if not isinstance(self.outcome, str) or _OUTCOME_NAME.fullmatch(self.outcome) is None:
            raise InvalidRequestError(
                f"outcome: {self.outcome!r:.100} is no name; a letter a-z and up to 62 letters, digits, _ and -"
            )
        object.__setattr__(self, "value", _finite(self.value))
        if self.time is not None and self.time.utcoffset() is None:
            raise InvalidRequestError("time: has no time zone; use datetime.now(timezone.utc)")

    def to_json(self) -> dict[str, Any]:
        """As the ledger reads it."""
        document: dict[str, Any] = {"predictionId": self.prediction_id, "outcome": self.outcome, "value": self.value}
        if self.time is not None:
            document["time"] = self.time.isoformat()
        return document


@dataclass(frozen=True, slots=True)
class Refusal:
    """An outcome that the ledger does not count."""

    outcome: Outcome
    reason: str
    """Stable name, such as ``prediction-id-invalid``."""
    detail: str
    """For people."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of outcomes. All but the refused ones are in the ledger, on disk."""

    counted: int = 0
    duplicate: int = 0
    """They were known already; after a retry these are those of the try before."""
    pending: int = 0
    """They count from the moment that the predictor's record of the unit arrives."""
    refused: tuple[Refusal, ...] = ()

    def __add__(self, other: Receipt) -> Receipt:
        return Receipt(
            self.counted + other.counted,
            self.duplicate + other.duplicate,
            self.pending + other.pending,
            self.refused + other.refused,
        )


def batches(outcomes: Sequence[Outcome]) -> Iterator[tuple[Outcome, ...]]:
    """Slices that fit into one request each, in order."""
    for start in range(0, len(outcomes), MAX_BATCH):
        yield tuple(outcomes[start : start + MAX_BATCH])


def outcomes_body(batch: Sequence[Outcome]) -> bytes:
    """The JSON of one request."""
    return json.dumps([outcome.to_json() for outcome in batch], separators=(",", ":")).encode()


def read_receipt(answer: Answer, batch: Sequence[Outcome]) -> Receipt | None:
    """What became of a batch, or None when the answer is no receipt.

    The ledger answers 400 to a batch of one that it refuses; that is a receipt too.
    """
    if answer.status == HTTPStatus.BAD_REQUEST and len(batch) == 1 and (problem := problem_of(answer)).kind:
        return Receipt(refused=(Refusal(batch[0], problem.kind, problem.detail),))
    if answer.status != HTTPStatus.OK:
        return None
    document = answer.document()
    try:
        refused = tuple(
            Refusal(batch[result["index"]], result["reason"], result["detail"])
            for result in document["results"]
            if result["status"] == "refused"
        )
        return Receipt(document["counted"], document["duplicate"], document["pending"], refused)
    except (KeyError, TypeError, IndexError):
        return None


def _finite(value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type] # whatever is a number: numpy's and Decimal too
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str) or not math.isfinite(number):
        raise InvalidRequestError(f"value: {value!r:.100} is no finite number")
    return number
