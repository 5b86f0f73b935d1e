"""Who tells a request its cohort where no gateway does: the pods themselves, by what the ledger has told them.

The operator names both arms' revisions and the step; the ledger says when the step begins, `LEAD_SECONDS` later. Every
pod asks more often than that, so all of them have heard of a step before it begins, and change over at one moment.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from marquee.contract.assignment import RolloutName
from marquee.contract.cohort import MAX_STEP
from marquee.contract.manifest import ContractModel

STAMPING_PATH: Final = "/v1/stamping"
LEAD_SECONDS: Final = 15
"""From the telling of a step to its beginning, by the ledger's clock."""
ASK_SECONDS: Final = 5.0
"""How often a pod asks."""

RevisionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Stamping(ContractModel):
    """``PUT /v1/rollouts/{namespace}/{model}/{rollout}/stamping``: from soon on, pods of these revisions stamp.

    A step that was told before keeps its beginning.
    """

    stable: RevisionName
    canary: RevisionName
    step: int = Field(ge=0, le=MAX_STEP)


class StampedStep(ContractModel):
    """A step and its beginning."""

    step: int = Field(ge=0, le=MAX_STEP)
    in_seconds: float = Field(description="from this answer on; negative when it has begun")


class StampingReply(ContractModel):
    """The answer to ``GET /v1/stamping/{namespace}/{model}``; without a rollout nobody stamps."""

    rollout: RolloutName | None = None
    stable: str = ""
    canary: str = ""
    steps: tuple[StampedStep, ...] = ()
