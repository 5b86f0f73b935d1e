"""Requests and limits of a container."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, Quantity, cel, rules

ComputeResource = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class ResourceRequirements(ApiModel):
    """Requests and limits of one container, as in a Pod."""

    requests: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What a node must have free for the pod."
    )
    limits: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What the pod may use at most."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "(!has(self.limits) || !('nvidia.com/gpu' in self.limits)) && "
                "(!has(self.requests) || !('nvidia.com/gpu' in self.requests))",
                "GPUs are asked for by spec.serving.gpu, in whole numbers",
            )
        )
    }
