"""`spec.governance`: what has to be there before a revision gets users, and what the status tells of that."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.retraining import INPUT_RULE, METRIC_RULE, Direction, Margin
from marquee.api.types import ApiModel, Text, cel, extension, rules

MAX_REQUIRED = 5
MAX_TOLD = 16
"""Approvals that a status tells of."""

MAX_FAIRNESS_INPUTS = 4
_NOT_HIGH = "!has(self.riskClass) || self.riskClass != 'High'"

UserName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class RequiredApprovals(ApiModel):
    """People who must agree."""

    required: int = Field(
        ge=1,
        le=MAX_REQUIRED,
        description="Different people, none of them the revision's author or who has changed last what the model asks "
        "for, who have approved its very digest under the present policy, and whose approvals have not expired.",
    )


class RiskClass(StrEnum):
    """What a mistake of the model may do to people. A model without one is unclassified."""

    MINIMAL = "Minimal"
    LIMITED = "Limited"
    HIGH = "High"


CardText = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Card(ApiModel):
    """What only people can say of the model; `kubectl marquee card` puts it beside what Marquee knows."""

    owner: Annotated[str, StringConstraints(min_length=1, max_length=253)] = Field(
        description="The person or role that answers for what the model does."
    )
    intended_use: CardText = Field(description="What it is for, and for whom.")
    limitations: CardText = Field(description="What it must not be used for, and where it is known to be wrong.")
    human_oversight: CardText = Field(description="Who looks at its answers, and how they are overruled.")
    metrics_rationale: CardText | None = Field(
        default=None, description="Why its metrics, and their limits, fit the use."
    )
    risk_management: CardText | None = Field(
        default=None, description="Risks that were found, and what was done about them; or where that is kept."
    )
    standards: CardText | None = Field(default=None, description="Harmonised standards that were applied.")
    conformity: CardText | None = Field(default=None, description="Where the EU declaration of conformity is kept.")
    monitoring_plan: CardText | None = Field(
        default=None, description="Where the plan for post-market monitoring is kept."
    )


class FairnessSlice(ApiModel):
    """Groups of rows, by the values of an input, that the model must serve about as well as one another."""

    input: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="Name of the input, as a revision's spec.slices names it before the '='.",
        json_schema_extra=rules(INPUT_RULE),
    )
    maximal_gap: Margin = Field(description="Between the largest and the smallest value of the metric.")


class Fairness(ApiModel):
    """How far groups may be apart."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=40)] = Field(
        description="As the trainer calls it.", json_schema_extra=rules(METRIC_RULE)
    )
    direction: Direction | None = Field(
        default=None, description="Which way it is better; messages then say who is served worse."
    )
    slices: tuple[FairnessSlice, ...] = Field(
        min_length=1,
        max_length=MAX_FAIRNESS_INPUTS,
        description="All of them must hold.",
        json_schema_extra=extension(list_type="map", list_map_keys=["input"]),
    )
    minimum_rows: int = Field(
        default=100, ge=10, le=1_000_000_000, description="A group with fewer rows is not compared."
    )


class Governance(ApiModel):
    """What has to be there before a revision gets its first users, and each time before it gets more."""

    approvals: RequiredApprovals | None = None
    risk_class: RiskClass | None = Field(default=None, description="High needs all that is here.")
    explanations: bool = Field(default=False, description="Whether pods explain predictions: docs/serving.md.")
    card: Card | None = None
    fairness: Fairness | None = None

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                f"{_NOT_HIGH} || (has(self.approvals) && self.approvals.required >= 2)",
                "riskClass High needs two people: set approvals.required to at least 2",
                field_path=".approvals",
            ),
            cel(
                f"{_NOT_HIGH} || has(self.card)",
                "riskClass High needs a model card: set card",
                field_path=".card",
            ),
            cel(
                f"{_NOT_HIGH} || has(self.fairness)",
                "riskClass High needs groups to compare: set fairness",
                field_path=".fairness",
            ),
            cel(
                f"{_NOT_HIGH} || self.explanations",
                "riskClass High needs explanations: set explanations to true",
                field_path=".explanations",
            ),
        )
    }


class GovernanceStatus(ApiModel):
    """Where the wanted revision's approvals stand."""

    revision: Annotated[str, StringConstraints(max_length=63)]
    digest: Annotated[str, StringConstraints(max_length=71)] = Field(description="What an approval has to name.")
    policy: Annotated[str, StringConstraints(max_length=16)] = Field(
        description="Digest of steps, analysis, assignment, slo and governance: what an approval has to name."
    )
    required: int
    approvers: tuple[UserName, ...] = Field(
        default=(), max_length=MAX_TOLD, description="Who counts.", json_schema_extra=extension(list_type="atomic")
    )
    rejected: tuple[Text, ...] = Field(
        default=(),
        max_length=MAX_TOLD,
        description="Approvals of this revision that do not count, each with the field that is why.",
        json_schema_extra=extension(list_type="atomic"),
    )
