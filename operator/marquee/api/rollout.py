"""``spec.rollout``: how a new revision takes over, step by step, and what it is judged by."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.calendar import Freeze, Window
from marquee.api.types import ApiModel, cel, extension, rules
from marquee.contract.ledger import MetricKind
from marquee.evidence.mixture import Direction
from marquee.evidence.policy import Inconclusive

MAX_STEPS = 16
MAX_GUARDRAILS = 6

OutcomeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63),
    Field(
        json_schema_extra=rules(
            cel(
                "self.matches('^[a-z][a-zA-Z0-9_-]*$')",
                "must be a small letter, then letters, digits, _ or -: outcomes are reported with this name",
            )
        )
    ),
]
Fraction = Annotated[float, Field(ge=0.001, le=0.5)]


class Approval(StrEnum):
    """Who lets a rollout go on after a step."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Step(ApiModel):
    """One step of the ramp."""

    weight: int = Field(
        ge=1,
        le=99,
        description="Percent of the units that the canary answers. Without spec.traffic its pods beside stable's come "
        "as near to it as they can, with one pod at least.",
    )
    min_exposures: int = Field(
        default=100, ge=0, le=1_000_000_000, description="Exposures of the canary that the step needs to be passed."
    )
    min_duration_seconds: int = Field(default=0, ge=0, le=31_536_000, description="Time that the step takes at least.")
    max_duration_seconds: int | None = Field(
        default=None, ge=1, le=31_536_000, description="After that, onInconclusive says what follows."
    )
    approval: Approval = Field(
        default=Approval.AUTOMATIC,
        description="Manual: when the step is passed, `kubectl marquee promote` lets the rollout go on.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!has(self.maxDurationSeconds) || self.maxDurationSeconds > self.minDurationSeconds",
                "maxDurationSeconds must be more than minDurationSeconds",
                field_path=".maxDurationSeconds",
            )
        )
    }


class Values(ApiModel):
    """What a comparison of means must know before it has seen anything."""

    cap: float = Field(ge=0.01, le=10_000_000, description="A unit's sum counts up to this value; near stable's 90th "
                       "percentile, else a few large values decide.")  # fmt: skip
    deviation: float = Field(
        ge=0.0001, le=10_000_000, description="Standard deviation of a unit's capped sum, from before the rollout."
    )
    planned_exposures: int = Field(
        default=100_000, ge=1, le=1_000_000_000, description="Exposures at which the comparison is to be sharpest."
    )


class PrimaryMetric(ApiModel):
    """The outcome that decides."""

    outcome: OutcomeName = Field(description="Name that outcomes are reported with.")
    kind: MetricKind = Field(
        default=MetricKind.PROPORTION,
        description="Proportion: units with at least one outcome. Mean: the sum of the outcomes' values of a unit.",
    )
    direction: Direction = Direction.HIGHER_IS_BETTER
    margin: Fraction = Field(default=0.05, description="Relative loss that is tolerated for a promotion.")
    values: Values | None = Field(default=None, description="Kind Mean only.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "(self.kind == 'Mean') == has(self.values)",
                "set values with kind Mean, and only with it",
                field_path=".values",
            )
        )
    }


class GuardrailMetric(StrEnum):
    """What must not get worse meanwhile."""

    ERRORS = "Errors"
    SLOW_REQUESTS = "SlowRequests"
    OUTCOME = "Outcome"


class Guardrail(ApiModel):
    """A metric that must not get worse."""

    metric: GuardrailMetric = Field(
        description="Errors: requests answered with 5xx, also those turned away in an overload. SlowRequests: slower "
        "than slo.latencyMilliseconds. Outcome: units with an outcome of that name."
    )
    outcome: OutcomeName | None = Field(default=None, description="Metric Outcome only.")
    direction: Direction = Field(
        default=Direction.LOWER_IS_BETTER, description="Fewer errors and fewer slow requests are always better."
    )
    margin: Fraction = Field(default=0.1, description="Relative loss that is tolerated for a promotion.")
    tolerated_rate: Fraction | None = Field(
        default=None, description="A rate so low that it needs no comparison; for what is better when rarer."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "(self.metric == 'Outcome') == has(self.outcome)",
                "set outcome with metric Outcome, and only with it",
                field_path=".outcome",
            ),
            cel(
                "self.metric == 'Outcome' || self.direction == 'LowerIsBetter'",
                "only metric Outcome takes HigherIsBetter: fewer errors and fewer slow requests are better",
                field_path=".direction",
            ),
            cel(
                "self.direction == 'LowerIsBetter' || !has(self.toleratedRate)",
                "toleratedRate needs direction LowerIsBetter: it is for what is better when rarer",
                field_path=".toleratedRate",
            ),
        )
    }


class Analysis(ApiModel):
    """What a rollout is judged by; a change of it starts the rollout anew."""

    primary: PrimaryMetric
    guardrails: tuple[Guardrail, ...] = Field(
        default=(),
        max_length=MAX_GUARDRAILS,
        description="What must not get worse meanwhile; shown harm on any of them rolls back.",
        json_schema_extra=extension(list_type="atomic"),
    )
    alpha: Fraction = Field(
        default=0.05, description="Probability of a false rollback, and of a false promotion, at most; at every look."
    )
    on_inconclusive: Inconclusive = Field(
        default=Inconclusive.HOLD, description="After a step's maxDurationSeconds without a verdict."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!has(self.guardrails) || self.guardrails.all(one, self.guardrails.exists_one(other, "
                "other.metric == one.metric && (has(other.outcome) ? other.outcome : '') == "
                "(has(one.outcome) ? one.outcome : '')))",
                "name each metric once, and with metric Outcome each outcome once",
                field_path=".guardrails",
            ),
            cel(
                "!has(self.guardrails) || !self.guardrails.exists(one, has(one.outcome) && "
                "one.outcome == self.primary.outcome)",
                "the primary outcome decides already: leave it out of the guardrails",
                field_path=".guardrails",
            ),
        )
    }


class Rollout(ApiModel):
    """How a new revision takes over."""

    progress_deadline_seconds: int = Field(
        default=600,
        ge=10,
        le=86_400,
        description="A revision that is not ready by then is reported as Stalled.",
    )
    drain_seconds: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long the old revision's pods stay after the new one took over, for open connections.",
    )
    steps: tuple[Step, ...] = Field(
        default=(),
        max_length=MAX_STEPS,
        description="The ramp before the new revision takes over. Without steps it takes over at once.",
        json_schema_extra=extension(list_type="atomic"),
    )
    analysis: Analysis | None = Field(
        default=None, description="Without it a step is passed after its minDurationSeconds, whatever happens."
    )
    paused: bool = Field(default=False, description="Weights stay as they are; shown harm still rolls back.")
    windows: tuple[Window, ...] = Field(
        default=(),
        max_length=16,
        description="When a revision may get more users; without any, always. Harm, abort and undo never wait.",
        json_schema_extra=extension(list_type="atomic"),
    )
    freezes: tuple[Freeze, ...] = Field(
        default=(),
        max_length=32,
        description="Days on which no revision gets more users, whatever the windows.",
        json_schema_extra=extension(list_type="atomic"),
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!has(self.steps) || (self.steps.map(step, step.weight).isSorted() && "
                "self.steps.all(one, self.steps.exists_one(other, other.weight == one.weight)))",
                "the weights of the steps must rise from each to the next",
                field_path=".steps",
            ),
            cel(
                "!has(self.analysis) || (has(self.steps) && size(self.steps) > 0)",
                "an analysis needs steps: without a ramp nothing is compared",
                field_path=".analysis",
            ),
        )
    }
