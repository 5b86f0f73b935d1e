"""`spec.killSwitch`: the state that a model goes to at once when a person says so, and by what it answers then."""

from __future__ import annotations

from pydantic import Field

from marquee.api.types import ApiModel, ResourceName


class Fallback(ApiModel):
    """What answers while the kill switch is engaged."""

    revision: ResourceName = Field(
        description="A ModelRevision of this model: an earlier one, or one whose artifact is a constant or a rule. Its "
        "pods, scaling.minReplicas of them and one at least, are kept ready as long as it is named here."
    )


class KillSwitch(ApiModel):
    """Takes all users to a safe revision at once, and lets no revision get more of them until it is lifted."""

    engaged: bool = Field(
        default=False,
        description="All users go to the fallback. `kubectl marquee kill` does the same without an edit of the spec; "
        "it is engaged while either says so.",
    )
    fallback: Fallback | None = Field(
        default=None,
        description="Without it: the revision from before the newest rollout, whose pods may have to come up first.",
    )
