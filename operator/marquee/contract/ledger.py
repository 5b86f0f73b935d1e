"""The JSON that crosses the ledger's door: declarations, outcomes, counts, and the integers that come back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from marquee.contract.assignment import ModelPath, RolloutName
from marquee.contract.cohort import MAX_STEP
from marquee.contract.manifest import ContractModel
from marquee.contract.prediction import MAX_LENGTH

OUTCOMES_PATH: Final = "/v1/outcomes"
COUNTS_PATH: Final = "/v1/counts"
STATISTICS_PATH: Final = "/v1/statistics"
ROLLOUTS_PATH: Final = "/v1/rollouts"
PREDICTION_KEYS_PATH: Final = "/v1/prediction-keys"
JUDGE_PATH: Final = "/judge"

MAX_OUTCOMES: Final = 10_000
"""Most outcomes in one request."""
MAX_COUNTS: Final = 1_000
MAX_METRICS: Final = 16
MAX_UNIT_LENGTH: Final = 256
"""Characters of an identifier that the ledger hashes itself."""
MAX_INCREMENT: Final = 2**40
MAX_SCALED: Final = 2**31 - 1
"""Largest value of a unit in the smallest unit of its metric; keeps every sum of the ledger inside of 64 bits."""

OutcomeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-zA-Z0-9_-]{0,62}$")]
BatchId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
ArmName = Literal["stable", "canary"]
UnitName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_UNIT_LENGTH)]


class MetricKind(StrEnum):
    """How outcomes become a statistic."""

    PROPORTION = "Proportion"
    """The share of units with at least one outcome; a unit's first success counts, later ones do not."""
    MEAN = "Mean"
    """The mean over units of the sum of their outcomes' values."""


class MetricDeclaration(ContractModel):
    """One outcome that a rollout is judged on."""

    outcome: OutcomeName
    kind: MetricKind = MetricKind.PROPORTION
    decimals: int = Field(default=2, ge=0, le=6, description="digits after the point that are kept of a value")
    cap: float | None = Field(default=None, gt=0, description="a unit's sum counts up to this value; Mean only")

    @model_validator(mode="after")
    def _representable(self) -> MetricDeclaration:
        if self.cap is not None and self.kind is MetricKind.PROPORTION:
            raise ValueError("cap: a proportion has none")
        if self.cap is not None and not 0.5 < self.cap * 10.0**self.decimals < MAX_SCALED + 0.5:
            raise ValueError(f"cap: with {self.decimals} decimals it lies between 1 and {MAX_SCALED} smallest units")
        return self

    @property
    def scaled_cap(self) -> int:
        """The cap in the smallest unit; 1 for a proportion."""
        if self.kind is MetricKind.PROPORTION:
            return 1
        return MAX_SCALED if self.cap is None else round(self.cap * 10**self.decimals)


class RolloutDeclaration(ContractModel):
    """``PUT /v1/rollouts/{namespace}/{model}/{rollout}``: what will be counted. Once said, it stays."""

    metrics: tuple[MetricDeclaration, ...] = Field(max_length=MAX_METRICS)

    @model_validator(mode="after")
    def _distinct(self) -> RolloutDeclaration:
        names = [metric.outcome for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("metrics: two have the same outcome")
        return self


class OutcomeReport(ContractModel):
    """One element of ``POST /v1/outcomes``: what happened to a unit after a prediction."""

    prediction_id: str = Field(min_length=1, max_length=MAX_LENGTH)
    outcome: OutcomeName
    value: float = Field(default=1.0, description="1 for a proportion")
    time: AwareDatetime | None = Field(default=None, description="when it happened; default: now")


class UnitOutcomeReport(ContractModel):
    """The same where nobody issues prediction ids: by the unit that pods have reported as seen."""

    model: ModelPath
    unit: UnitName
    outcome: OutcomeName
    rollout: RolloutName | None = Field(default=None, description="default: the one under way")
    value: float = Field(default=1.0, description="1 for a proportion")
    id: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="", description="of what happened, such as an order's number: the same of a unit counts once"
    )


class OutcomeStatus(StrEnum):
    """What became of an outcome."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    """It was known already, or the unit's success was: nothing changes."""
    PENDING = "pending"
    """Kept; it counts from the moment that the unit's exposure arrives."""
    REFUSED = "refused"


class OutcomeResult(ContractModel):
    """What became of one element; only those that were not simply counted are listed."""

    index: int
    status: OutcomeStatus
    reason: str = ""
    detail: str = ""


class OutcomeReceipt(ContractModel):
    """The answer to ``POST /v1/outcomes``."""

    counted: int
    duplicate: int
    pending: int
    refused: int
    results: tuple[OutcomeResult, ...] = ()


class PredictionKey(ContractModel):
    """The answer to ``GET /v1/prediction-keys/{namespace}/{model}``: what the model signs its ids with."""

    key_id: int = Field(ge=0, le=255, description="names the master key that it is derived from")
    secret: str = Field(pattern="^[0-9a-f]{64}$", description="hexadecimal")


class CohortCounts(ContractModel):
    """Requests of one cohort since the last batch."""

    rollout: RolloutName
    step: int = Field(ge=0, le=MAX_STEP)
    arm: ArmName
    requests: int = Field(ge=0, le=MAX_INCREMENT)
    errors: int = Field(default=0, ge=0, le=MAX_INCREMENT)
    slow: int = Field(default=0, ge=0, le=MAX_INCREMENT, description="requests above the latency objective")

    @model_validator(mode="after")
    def _parts_of_the_whole(self) -> CohortCounts:
        if max(self.errors, self.slow) > self.requests:
            raise ValueError("errors and slow are each at most requests")
        return self


class CountsBatch(ContractModel):
    """``POST /v1/counts``: increments, added once for a batch id."""

    batch_id: BatchId
    model: ModelPath
    counts: tuple[CohortCounts, ...] = Field(min_length=1, max_length=MAX_COUNTS)


class CohortUnits(ContractModel):
    """Units that were seen in one cohort."""

    rollout: RolloutName
    step: int = Field(ge=0, le=MAX_STEP)
    arm: ArmName
    units: tuple[UnitName, ...] = Field(min_length=1, description="identifiers; the ledger keeps a hash of each")


class ExposuresReport(ContractModel):
    """``POST /v1/exposures`` as JSON, for pods that are not Marquee's; counted once for a batch id."""

    batch_id: BatchId
    model: ModelPath
    exposures: tuple[CohortUnits, ...] = Field(min_length=1, max_length=MAX_COUNTS)


class CurrentStep(ContractModel):
    """``GET /v1/rollouts/{namespace}/{model}``: the cohort's first two parts, for pods that stamp it themselves."""

    rollout: RolloutName
    step: int
    weight: int = Field(description="percent of the units that the canary is to answer")


class BatchReceipt(ContractModel):
    """The answer to a batch of exposures or counts: it is on disk."""

    batch_id: BatchId
    duplicate: bool
    """Whether the batch had been taken before; nothing was added then."""


class OutcomeStatistics(ContractModel):
    """Integers of one metric in one cohort, in the metric's smallest unit."""

    successes: int
    """Units with a sum above zero."""
    sum: int
    """Sum over units of their capped sums; text on the wire, as it may pass 2^53."""
    sum_of_squares: int
    """Sum over units of the squares of their capped sums; text on the wire."""


class CohortStatistics(ContractModel):
    """Integers of one cohort."""

    step: int
    arm: ArmName
    exposures: int
    requests: int
    errors: int
    slow: int
    outcomes: dict[str, OutcomeStatistics]


class RolloutStatistics(ContractModel):
    """Everything that evidence is computed from, for one rollout."""

    model: ModelPath
    rollout: RolloutName
    revision: int
    """Grows with every change of an integer below."""
    closed: bool
    stamping: bool = False
    """Whether pods stamp their requests with its cohorts themselves."""
    metrics: tuple[MetricDeclaration, ...]
    cohorts: tuple[CohortStatistics, ...]


class StatisticsReply(ContractModel):
    """``GET /v1/statistics``: rollouts in the order of their names."""

    rollouts: tuple[RolloutStatistics, ...]
