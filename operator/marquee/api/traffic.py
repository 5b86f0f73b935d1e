"""``spec.traffic``: the gateway that users come through, and who is assigned to what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, ResourceName, cel, extension, rules

# without backslashes: they would have to be doubled within a CEL text
HOSTNAME_PATTERN = "^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
PATH_PATTERN = "^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*)?$"


class GatewayReference(ApiModel):
    """A Gateway of the Gateway API."""

    name: ResourceName = Field(description="Name of the Gateway.")
    namespace: ResourceName | None = Field(default=None, description="Without it the model's own.")
    section_name: ResourceName | None = Field(default=None, description="One listener; without it all that admit it.")


class AssignmentUnit(StrEnum):
    """What is randomised."""

    USER = "User"
    REQUEST = "Request"


class Assignment(ApiModel):
    """Who goes to the canary."""

    unit: AssignmentUnit = Field(
        default=AssignmentUnit.USER,
        description="User: the bucket in the header marquee-bucket decides, for good; a request without one is a unit "
        "of its own. Request: every request is.",
    )
    holdout_percent: int = Field(
        default=0,
        ge=0,
        le=50,
        description="Share of the buckets that never see a canary and are not counted: a permanent comparison group.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.unit == 'User' || self.holdoutPercent == 0",
                "a holdout needs unit User: single requests can't be kept apart for good",
                field_path=".holdoutPercent",
            )
        )
    }


class Traffic(ApiModel):
    """How users reach the model. Without this block they come through its Service, and pods split the traffic."""

    gateway: GatewayReference
    hostnames: tuple[
        Annotated[
            str,
            StringConstraints(min_length=1, max_length=253),
            Field(
                json_schema_extra=rules(
                    cel(
                        f"self.matches('{HOSTNAME_PATTERN}')",
                        "must be a host name in small letters, as crm.example.com or *.example.com",
                    )
                )
            ),
        ],
        ...,
    ] = Field(
        default=(),
        max_length=16,
        description="Hosts of the model; without any, every host of the gateway's listener.",
        json_schema_extra=extension(list_type="set"),
    )
    path_prefix: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        default="/",
        description="Path of the model on these hosts; the model's pods see the rest of the path.",
        json_schema_extra=rules(
            cel(
                # HTTPRoutes refuse the segments . and .. too
                f"self.matches('{PATH_PATTERN}') && !self.matches('/[.][.]?(/|$)')",
                "must be / or a path as /crm/churn: letters, digits and . _ ~ - between slashes, no segment . or .., "
                "no slash at the end",
            )
        ),
    )
    # the server checks a default against the block's CEL rules before it fills in the defaults within
    assignment: Assignment = Field(
        default_factory=Assignment, json_schema_extra={"default": {"unit": "User", "holdoutPercent": 0}}
    )
