"""What the operator tells a retraining run, whatever container it is, and what the run says of its candidate.

The operator sets `RunSetting` in the container's environment. The container trains on the data of the window,
compares its candidate with the champions and the baseline on the newest part of that window, writes the artifact
below the artifact URI, and leaves a `RetrainingResult` (exit code 0) or a `training.TrainingFailure` as its
termination message, which is all that the operator reads of it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, FiniteFloat, StringConstraints, TypeAdapter, model_validator

from marquee.contract.manifest import ContractModel, RowCount, Sha256
from marquee.contract.training import MAX_MESSAGE_BYTES, MAX_SEED, TrainingResult

MAX_CHAMPIONS: Final = 4
MAX_METRICS: Final = 8
MAX_SLICES: Final = 8
BASELINE: Final = "baseline"
"""Name of the simple model that every candidate has to beat; no revision is called so in a comparison."""

MetricName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
RevisionName = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Scores = Annotated[dict[MetricName, FiniteFloat], Field(min_length=1, max_length=MAX_METRICS)]
SliceName = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class RunSetting(StrEnum):
    """Environment variables of a retraining run."""

    RUN = "MARQUEE_RUN"
    """Name of the run; the same run may start again after its pod was lost, and must then give the same bytes."""
    MODEL = "MARQUEE_MODEL"
    """Name of the `MarketingModel` that the artifact is for."""
    TRIGGER = "MARQUEE_TRIGGER"
    """``Manual``, ``Performance``, ``Drift`` or ``Schedule``."""
    SEED = "MARQUEE_SEED"
    """From 0 to `training.MAX_SEED`."""
    DATA = "MARQUEE_DATA_URI"
    """Where the rows are; empty where the use case knows its own data."""
    WINDOW_START = "MARQUEE_WINDOW_START"
    """RFC 3339 instant: rows before it are not learned from; empty where there is no window."""
    WINDOW_END = "MARQUEE_WINDOW_END"
    """RFC 3339 instant: rows from it on are not seen at all."""
    EXCLUDED = "MARQUEE_EXCLUDED_WINDOWS"
    """JSON array of `Span`: times of a broken feed, whose rows are left out."""
    ARTIFACT = "MARQUEE_ARTIFACT_URI"
    """Folder that the artifact is written to; of this run alone."""
    CHAMPIONS = "MARQUEE_CHAMPIONS"
    """JSON array of `Champion`, the one that serves first; empty array where none does."""
    METRICS = "MARQUEE_METRICS"
    """Names of the metrics to compare by, with commas between."""
    SLICES = "MARQUEE_SLICES"
    """Names of inputs, with commas between: the metrics are told of the rows of each of their values too."""
    NAMESPACE = "MARQUEE_NAMESPACE"
    """Of the model; ``namespace/model`` is the salt of `assignment.unit_hash`."""
    LEDGER_URL = "MARQUEE_LEDGER_URL"
    """Where the suppressed subjects are to be read (`privacy.SUPPRESSIONS_PATH`); empty: nobody is to be left out."""
    LEDGER_TOKEN = "MARQUEE_LEDGER_TOKEN_PATH"  # noqa: S105 - a name
    """File with the run's service-account token for the ledger."""


class Span(ContractModel):
    """A stretch of time, its end excluded."""

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if self.start >= self.end:
            raise ValueError(f"a span must end after its start, not at {self.end.isoformat()}")
        return self


class Champion(ContractModel):
    """A revision that the candidate is compared with."""

    revision: RevisionName
    uri: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    digest: Sha256


CHAMPIONS: Final[TypeAdapter[tuple[Champion, ...]]] = TypeAdapter(
    Annotated[tuple[Champion, ...], Field(max_length=MAX_CHAMPIONS)]
)
SPANS: Final[TypeAdapter[tuple[Span, ...]]] = TypeAdapter(Annotated[tuple[Span, ...], Field(max_length=100)])


class SliceScores(ContractModel):
    """How candidate and serving champion do on the rows of one value of one input."""

    name: SliceName
    """``input=value``."""
    rows: RowCount
    challenger: Scores
    champion: Scores | None = None


class Comparison(ContractModel):
    """The same metrics of all contenders on the same rows, which none of them was trained on."""

    rows: RowCount
    challenger: Scores
    champions: dict[RevisionName, Scores] = Field(default_factory=dict, max_length=MAX_CHAMPIONS)
    """By revision; one whose artifact cannot be had or does not take these rows is not there."""
    baseline: Scores | None = None
    slices: tuple[SliceScores, ...] = Field(default=(), max_length=MAX_SLICES)


class RetrainingResult(TrainingResult):
    """A finished retraining: the artifact, and what the gate decides by."""

    code_digest: Sha256
    seed: int = Field(ge=0, le=MAX_SEED)
    parent: Sha256 | None = None
    """Digest of the champion that the run began from, where it did."""
    comparison: Comparison

    def to_text(self) -> str:
        """JSON within `MAX_MESSAGE_BYTES`: what does not fit is left out, first the metrics beside the comparison's,
        then slices and champions from the last on; the serving champion stays.
        """
        result = self
        while len((text := result.model_dump_json(by_alias=True, exclude_none=True)).encode()) > MAX_MESSAGE_BYTES:
            if (shorter := result._without_its_last()) is None:
                break
            result = shorter
        return text

    def _without_its_last(self) -> RetrainingResult | None:
        compared = self.comparison
        if self.metrics:
            return self.model_copy(update={"metrics": {}})
        if compared.slices:
            return self._with(slices=compared.slices[:-1])
        if len(compared.champions) > 1:
            return self._with(champions=dict(list(compared.champions.items())[:-1]))
        return None

    def _with(self, **change: object) -> RetrainingResult:
        return self.model_copy(update={"comparison": self.comparison.model_copy(update=change)})
