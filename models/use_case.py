"""A use case: which data it is trained on, and the run that turns them into an artifact.

The run is the same for all of them: fetch the data, see whether its result is already there, train, write. A use
case brings its data and one function, `Fit`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import TypeAdapter, ValidationError

from marquee.contract.manifest import DataSource, ModelName
from marquee.contract.retrainer import EvaluationRequest, EvaluationResult, Retrainable, RetrainingRequest
from marquee.contract.retraining import RetrainingResult
from marquee.contract.training import (
    MAX_SEED,
    TrainingError,
    TrainingFailureReason,
    TrainingRequest,
    TrainingResult,
)
from models.artifact import StoredArtifact, TrainedModel, existing, manifest_of, write
from models.data.packages import PackageFile, read
from models.destination import destination_of
from models.lineage import data_digest, lineage_of

if TYPE_CHECKING:
    from models.retraining.learner import Learner
    from models.retraining.running import Subject

log = logging.getLogger(__name__)

_MODEL_NAME: TypeAdapter[str] = TypeAdapter(ModelName)


class Fit(Protocol):
    """Trains on checked data, compares with the baseline, and gives the model that may be exported."""

    def __call__(self, data_cache: Path, *, seed: int) -> TrainedModel:
        """The model.

        Raises:
            TrainingError: ``NotPromotable`` or ``NotReproduced``.

        """


@dataclass(frozen=True)
class Source:
    """One data file of a use case."""

    name: str
    file: PackageFile
    count_rows: Callable[[bytes], int]


@dataclass(frozen=True, kw_only=True)
class UseCase:
    """See `marquee.contract.training.UseCase` and `marquee.contract.retrainer.Retrainable`."""

    name: str
    summary: str
    package: str
    """Dotted name of the package whose sources go into the code digest."""
    sources: tuple[Source, ...]
    libraries: tuple[str, ...]
    """Distributions whose versions a result depends on."""
    fit: Fit
    learner: Callable[[], Learner] | None = None
    """How it learns from a table; None where it cannot. A function, as it needs the training libraries."""
    retrainable: Callable[[], Retrainable] | None = None
    """What retrains and evaluates it where it learns from something else than rows with a label."""

    def fetch(self, data_cache: Path) -> tuple[DataSource, ...]:
        """Bring the data into the cache and check them."""
        return tuple(_described(source, data_cache) for source in self.sources)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Train, compare, write; or find the same run's artifact in place."""
        _check(request.seed, request.model)
        destination = destination_of(request.out)
        data = self.fetch(request.data_cache)
        lineage = lineage_of(self.package, data=data, seed=request.seed, libraries=self.libraries)
        artifact = existing(destination, model=request.model, lineage=lineage, replace=request.replace)
        if artifact is None:
            trained = self.fit(request.data_cache, seed=request.seed)
            manifest = manifest_of(trained, model=request.model, use_case=self.name, lineage=lineage)
            artifact = write(manifest, trained.files, destination)
            log.info("wrote %s", destination.uri)
        else:
            log.info("%s already holds this run's artifact; nothing to do", destination.uri)
        return self._result(artifact, destination.uri)

    def retrain(self, request: RetrainingRequest) -> RetrainingResult:
        """Train on the rows of a window, compare with the champions, write."""
        if self.retrainable is not None:
            return self.retrainable().retrain(request)
        subject = self._subject("retrained")
        from models.retraining.running import retrain

        return retrain(subject, request)

    def assist(self, request: RetrainingRequest) -> None:
        """Train along, as a process that is not the first."""
        if self.retrainable is not None:
            self.retrainable().assist(request)
            return
        subject = self._subject("retrained")
        from models.retraining.running import assist

        assist(subject, request)

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Measure an artifact on rows with known outcomes."""
        if self.retrainable is not None:
            return self.retrainable().evaluate(request)
        subject = self._subject("evaluated on a table")
        from models.retraining.evaluating import evaluate

        return evaluate(subject, request)

    def _subject(self, wanted: str) -> Subject:
        if self.learner is None:
            raise TrainingError(
                TrainingFailureReason.ARGUMENTS_INVALID,
                f"use case {self.name!r} cannot be {wanted}: it brings neither a learner nor a retrainable",
            )
        from models.retraining.running import Subject

        return Subject(self.name, self.package, self.libraries, self.learner())

    def _result(self, artifact: StoredArtifact, uri: str) -> TrainingResult:
        return TrainingResult(
            uri=uri,
            digest=artifact.digest,
            model=artifact.manifest.model,
            use_case=self.name,
            data_digest=data_digest(artifact.manifest.lineage.data),
            metrics=artifact.manifest.metrics,
        )


def _described(source: Source, data_cache: Path) -> DataSource:
    content = read(source.file, data_cache)
    return DataSource(
        name=source.name,
        sha256=source.file.sha256,
        rows=source.count_rows(content),
        origin=source.file.origin,
    )


def _check(seed: int, model: str) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, f"--seed {seed}: must be from 0 to {MAX_SEED}")
    try:
        _MODEL_NAME.validate_python(model)
    except ValidationError as error:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"--model {model!r}: must be lower-case letters, digits and dashes, at most 50, starting with a letter",
        ) from error
