"""`spec.governance`: who has to agree before a revision gets users, and what the status tells of that."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, Text, extension

MAX_REQUIRED = 5
MAX_TOLD = 16
"""Approvals that a status tells of."""

UserName = Annotated[str, StringConstraints(min_length=1, max_length=253)]


class RequiredApprovals(ApiModel):
    """People who must agree."""

    required: int = Field(
        ge=1,
        le=MAX_REQUIRED,
        description="Different people, none of them the revision's author, who have approved its very digest under the "
        "present policy, and whose approvals have not expired.",
    )


class Governance(ApiModel):
    """What has to be there before a revision gets its first users, and each time before it gets more."""

    approvals: RequiredApprovals


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
