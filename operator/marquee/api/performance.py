"""``spec.drift.performance``: what became of the answers, and how far from their scores' promise it may be."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from marquee.api.rollout import OutcomeName
from marquee.api.types import ApiModel, Text, Timestamp, cel, rules
from marquee.contract.ledger import MetricKind

LONGEST_SECONDS: Final = 3_628_800
"""Six weeks: the ledger keeps counters for eight, and some windows must be left to judge."""


class MaximumGap(ApiModel):
    """Differences from what the scores promise that are borne, beyond what chance explains."""

    auc: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.02, description="Area under the curve below the one that the scores promise."
    )
    calibration: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.1,
        description="Outcomes (of a Mean: values) more or fewer than the scores promise, as a share of those.",
    )


class MeasuredPerformance(ApiModel):
    """The outcome that tells how good the scores were."""

    outcome: OutcomeName = Field(description="Name that outcomes are reported with, by prediction id.")
    kind: MetricKind = Field(
        default=MetricKind.PROPORTION,
        description="Proportion: the score is the probability of the outcome. Mean: the score is the outcome's value.",
    )
    cap: Annotated[float, Field(ge=0.01, le=10_000_000)] | None = Field(
        default=None, description="An answer's outcome counts up to this value; kind Mean only."
    )
    mature_after_seconds: int = Field(
        default=604_800,
        ge=0,
        le=LONGEST_SECONDS,
        description="So long after a window's end no more outcomes are waited for.",
    )
    maximum_gap: MaximumGap = Field(default_factory=MaximumGap, json_schema_extra={"default": {}})
    stale_after_seconds: int = Field(
        default=604_800,
        ge=900,
        le=31_536_000,
        description="Nothing measured for so long, although windows have matured, is told as Stale.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel("self.kind == 'Mean' || !has(self.cap)", "set cap with kind Mean only", field_path=".cap"),
        )
    }


class PerformanceStatus(ApiModel):
    """What the last measured window has shown."""

    verdict: Annotated[str, StringConstraints(max_length=63)]
    outcome: Annotated[str, StringConstraints(max_length=63)]
    message: Text = ""
    window: Timestamp | None = Field(default=None, description="Its beginning.")
    rows: int = Field(default=0, description="Answers that an outcome could be reported for.")
    outcomes: int = Field(default=0, description="Of them, those with one.")
    promised_auc: float | None = Field(
        default=None, description="Area under the curve of that window, if the score is calibrated."
    )
    realised_auc: float | None = Field(default=None, description="The same, measured.")
    realised_brier: float | None = Field(default=None, description="Mean squared difference of score and outcome.")
    calibration_error: float | None = Field(
        default=None, description="Expected calibration error: mean absolute difference of score and share over bins."
    )
    calibration_gap: float | None = Field(
        default=None, description="Outcomes above those that the scores promise, as a share of these."
    )
    mean_error: float | None = Field(default=None, description="Of a Mean: outcome less score.")
    root_mean_square_error: float | None = Field(default=None, description="Of a Mean, from bins.")
    loss: float | None = Field(
        default=None, description="Of the area under the curve since the baseline, certain at 99 %, as a share."
    )
