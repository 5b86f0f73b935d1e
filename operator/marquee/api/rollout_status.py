"""``status.rollout``: where the newest rollout stands, its evidence, and the integers that this follows from."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.rollout import MAX_GUARDRAILS, MAX_STEPS
from marquee.api.types import ApiModel, Text, Timestamp, extension
from marquee.contract.ledger import ArmName


class RolloutResult(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"


Words = Annotated[str, StringConstraints(max_length=128)]
Integer = Annotated[str, StringConstraints(max_length=40)]


class MetricEvidence(ApiModel):
    """What the ledger's integers say about one metric."""

    metric: Words
    counts: Words = Field(description="Outcomes of exposures, canary first.")
    harm: Words = Field(description="E-value of harm, and the one that rolls back.")
    non_inferiority: Words = Field(description="E-value of non-inferiority, and the one that promotes.")


class OutcomeCounts(ApiModel):
    """One outcome in one cohort, in the metric's smallest unit."""

    successes: int = Field(description="Units with a sum above zero.")
    sum: Integer = Field(description="Sum over units; text, as it may pass 2^53.")
    sum_of_squares: Integer = Field(description="Sum over units of the squares; text.")


class CohortCounts(ApiModel):
    """The ledger's integers of one arm in one step, as they were when the verdict was reached."""

    step: int
    arm: ArmName
    exposures: int
    requests: int
    errors: int
    slow: int
    outcomes: dict[str, OutcomeCounts] = Field(default_factory=dict, max_length=MAX_GUARDRAILS + 1)


class SeenTraffic(ApiModel):
    """What forecasts are made from, as the rollout has shown it."""

    exposures_per_hour: int = Field(description="Of both arms.")
    outcomes_per_million: int = Field(description="The primary outcome, of a million exposures of stable.")


class RolloutStatus(ApiModel):
    """Where the newest rollout stands."""

    name: Annotated[str, StringConstraints(max_length=63)] = Field(description="Name in the ledger and in cohorts.")
    revision: Annotated[str, StringConstraints(max_length=63)]
    plan: Words = Field(default="", description="Digest of the steps, analysis, assignment and slo that it runs with.")
    step: int = Field(description="From 0.")
    progress: Words = Field(description="Step of steps, from 1.")
    weight: int = Field(description="Percent of the units that the canary is to answer now.")
    realised: Words = Field(default="", description="Without a gateway: its share by pods, where the weight is asked.")
    started: Timestamp
    step_started: Timestamp
    verdict: Words = ""
    message: Text = ""
    evidence: tuple[MetricEvidence, ...] = Field(
        default=(), max_length=MAX_GUARDRAILS + 1, json_schema_extra=extension(list_type="atomic")
    )
    counts: tuple[CohortCounts, ...] = Field(
        default=(),
        max_length=2 * MAX_STEPS,
        description="The integers that the evidence is computed from.",
        json_schema_extra=extension(list_type="atomic"),
    )
    forecast: Words = Field(default="", description="Time to a verdict at the traffic so far.")
    traffic: SeenTraffic | None = None
    shortfall: Text = Field(default="", description="Which step can't conclude in its maxDurationSeconds, and why.")
    result: RolloutResult | None = None
