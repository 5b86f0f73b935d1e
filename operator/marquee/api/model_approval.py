"""`ModelApproval`: "I, the authenticated user, let this revision of this model have users, until then"."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from marquee.api.governance import UserName
from marquee.api.metadata import Metadata
from marquee.api.model_revision import ArtifactDigest
from marquee.api.types import API_VERSION, ApiModel, ResourceName, Text, Timestamp, cel, rules


class ModelApprovalSpec(ApiModel):
    """Never changes once stored; `kubectl marquee approve` fills it in."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=50)] = Field(
        description="Name of the MarketingModel, in the same namespace."
    )
    revision: ResourceName = Field(description="The ModelRevision that is approved.")
    digest: ArtifactDigest = Field(description="Its artifact's: other bytes of the same name are not approved.")
    policy: Annotated[str, StringConstraints(max_length=16)] = Field(
        description="Digest of the rules that it may be rolled out by, as status.governance.policy tells it.",
        json_schema_extra=rules(
            cel("self.matches('^[0-9a-f]{16}$')", "must be 16 lower-case hexadecimal digits: status.governance.policy")
        ),
    )
    approver: UserName = Field(
        description="Who creates it: at admission it must be the authenticated user's name, and no service account's."
    )
    expires: Timestamp = Field(description="From then on it does not count.")
    comment: Text = Field(default="", description="For people.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel("self == oldSelf", "a ModelApproval is immutable: delete it, and create another one")
        )
    }


class ModelApproval(ApiModel):
    """One person's word about one revision."""

    KIND: ClassVar[str] = "ModelApproval"
    PLURAL: ClassVar[str] = "modelapprovals"

    api_version: Literal["marquee.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    kind: Literal["ModelApproval"] = "ModelApproval"
    metadata: Metadata
    spec: ModelApprovalSpec
