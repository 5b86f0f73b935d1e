"""What whoever starts a trainer and the trainer agree on: the request, the result, and how a run says why it failed.

A trainer ends with one JSON line on its standard output and, in a pod, with the same line as its termination
message: a `TrainingResult` (exit code 0) or a `TrainingFailure` (`EXIT_CODE_FAILURE`). Use cases are found through
the entry points of the group `USE_CASES_GROUP`, so that they can live in any installed package.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from pydantic import Field

from marquee.contract.manifest import ContractModel, DataSource, Sha256

USE_CASES_GROUP: Final = "marquee.use_cases"
MAX_MESSAGE_BYTES: Final = 4_096
"""What the kubelet keeps of a termination message."""
_MAX_REASON_BYTES: Final = 1_900
"""Leaves room for quotes and line breaks, which JSON escapes with a second byte."""
MAX_SEED: Final = 2**32 - 1


class TrainerSetting(StrEnum):
    """Environment variables of a trainer."""

    CACHE = "MARQUEE_CACHE"
    """Folder of everything that can be fetched again; data lies below its ``data``."""
    TERMINATION_MESSAGE = "MARQUEE_TERMINATION_MESSAGE"
    """File that takes the result or failure; without it the kubelet's, where that exists."""
    SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"
    """Seconds since 1970 to write as the artifact's ``createdAt``, for builds that repeat to the last byte."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """One training run."""

    model: str
    """Name of the `MarketingModel` that the artifact is for; a predictor refuses another model's artifact."""
    out: str
    """Where the artifact goes: a folder, ``pvc://CLAIM/PATH``, or a URI that fsspec can write."""
    seed: int
    data_cache: Path
    replace: bool = False
    """Whether an older artifact of the same model in ``out`` may be replaced."""


class TrainingResult(ContractModel):
    """A finished run: where the artifact lies and which bytes it has."""

    uri: str
    digest: Sha256
    model: str
    use_case: str
    data_digest: Sha256
    metrics: dict[str, float]

    def to_text(self) -> str:
        """JSON within `MAX_MESSAGE_BYTES`; the metrics are left out when they would not fit."""
        text = self.model_dump_json(by_alias=True)
        if len(text.encode()) <= MAX_MESSAGE_BYTES:
            return text
        return self.model_copy(update={"metrics": {}}).model_dump_json(by_alias=True)


class TrainingFailureReason(StrEnum):
    """Why a run left no artifact."""

    ARGUMENTS_INVALID = "ArgumentsInvalid"
    DATA_UNAVAILABLE = "DataUnavailable"
    DATA_MISMATCH = "DataMismatch"
    DATA_INSUFFICIENT = "DataInsufficient"
    SUPPRESSIONS_UNAVAILABLE = "SuppressionsUnavailable"
    OUTPUT_OCCUPIED = "OutputOccupied"
    OUTPUT_UNWRITABLE = "OutputUnwritable"
    NOT_REPRODUCED = "NotReproduced"
    NOT_PROMOTABLE = "NotPromotable"
    PEER_LOST = "PeerLost"
    """Of a run of several processes: this one could go on, see `distributed.EXIT_CODE_PEER_LOST`."""


class TrainingFailure(ContractModel):
    """What a failed run says: what happened, where, what to do."""

    reason: TrainingFailureReason
    message: str = Field(max_length=_MAX_REASON_BYTES)

    def to_text(self) -> str:
        """JSON within `MAX_MESSAGE_BYTES`."""
        return self.model_dump_json(by_alias=True)


class TrainingError(Exception):
    """A run that cannot go on, for a reason that a person can act on."""

    def __init__(self, reason: TrainingFailureReason, message: str) -> None:
        super().__init__(message)
        cut = message.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
        self.failure = TrainingFailure(reason=reason, message=cut)


class UseCase(Protocol):
    """What an entry point of `USE_CASES_GROUP` names."""

    @property
    def name(self) -> str:
        """The use case's name, and its models' name where none is given."""

    @property
    def summary(self) -> str:
        """One line for people."""

    def fetch(self, data_cache: Path) -> tuple[DataSource, ...]:
        """Bring the training data into the cache and check it.

        Raises:
            TrainingError: ``DataUnavailable`` or ``DataMismatch``.

        """

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train, compare with the baseline, write the artifact.

        Raises:
            TrainingError: with the reason.

        """
