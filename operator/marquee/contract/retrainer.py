"""What a use case that can be retrained is asked for, and how it answers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import Field

from marquee.contract.distributed import Standing
from marquee.contract.manifest import ContractModel, RowCount, Sha256
from marquee.contract.retraining import Champion, RetrainingResult, Scores, SliceScores, Span


@dataclass(frozen=True, kw_only=True)
class RetrainingRequest:
    """One retraining run; see `retraining.RunSetting` for each part."""

    run: str
    model: str
    trigger: str
    seed: int
    data_uri: str
    """Empty: the use case's own data."""
    start: dt.datetime | None
    end: dt.datetime | None
    excluded: tuple[Span, ...]
    out: str
    champions: tuple[Champion, ...]
    metrics: tuple[str, ...]
    slices: tuple[str, ...]
    data_cache: Path
    standing: Standing | None = None
    """Among the processes that carry out the run; None: there is no other."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """One artifact and the rows that it is measured on."""

    artifact: str
    data_uri: str
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    metrics: tuple[str, ...] = ()
    """Empty: all that the use case knows."""
    slices: tuple[str, ...] = ()


class EvaluationResult(ContractModel):
    """How good an artifact is on these rows."""

    uri: str
    digest: Sha256
    data_digest: Sha256
    rows: RowCount
    metrics: Scores
    slices: tuple[SliceScores, ...] = Field(default=())


class Retrainable(Protocol):
    """A use case that learns from rows it is given; beside `training.UseCase`."""

    def retrain(self, request: RetrainingRequest) -> RetrainingResult:
        """Train a candidate, alone or as the first of several processes; compare it, write its artifact.

        Raises:
            TrainingError: with the reason.

        """

    def assist(self, request: RetrainingRequest) -> None:
        """Train along, as one of the other processes; what comes of it is for the first one to say.

        Raises:
            TrainingError: with the reason.

        """

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Measure an artifact on rows with known outcomes.

        Raises:
            TrainingError: with the reason.

        """
