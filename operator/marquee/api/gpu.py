"""``spec.serving.gpu``: the GPUs of a pod, as a device plugin offers them or by dynamic resource allocation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, ResourceName, cel, rules

MIG_NAME = r"^nvidia\\.com/mig-[1-7]g\\.[0-9]+gb(\\.[a-z]+)*$"
"""As NVIDIA's device plugin names a slice of a GPU, such as ``nvidia.com/mig-1g.10gb``; within a CEL string."""


class Gpu(ApiModel):
    """GPUs of the container that runs the model: Triton where there is one, else the predictor."""

    resource: Annotated[str, StringConstraints(max_length=126)] | None = Field(
        default=None,
        description="What the nodes' device plugin offers: nvidia.com/gpu, or a slice, such as nvidia.com/mig-1g.10gb.",
        json_schema_extra=rules(
            cel(
                r"self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",
                "must be DOMAIN/NAME, as a node's status.allocatable has it, such as nvidia.com/gpu",
            ),
            cel(
                f"!self.startsWith('nvidia.com/mig-') || self.matches('{MIG_NAME}')",
                "no slice of NVIDIA's has that name: write it as a node's status.allocatable has it, such as "
                "nvidia.com/mig-1g.10gb",
            ),
        ),
    )
    count: int = Field(default=1, ge=1, le=16, description="Whole GPUs, or one slice or share.")
    resource_claim_template_name: ResourceName | None = Field(
        default=None,
        description="A ResourceClaimTemplate (resource.k8s.io) of the model's namespace instead of a resource: each "
        "pod gets a claim of its own.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "has(self.resource) != has(self.resourceClaimTemplateName)",
                "set exactly one of resource (of a device plugin) and resourceClaimTemplateName",
            ),
            cel(
                "has(self.resource) || self.count == 1",
                "with resourceClaimTemplateName the template says how many: leave count out",
                field_path=".count",
            ),
            cel(
                "!has(self.resource) || self.count == 1 || "
                "(!self.resource.contains('/mig-') && !self.resource.endsWith('.shared'))",
                "a process uses one slice (MIG) or one share of a GPU, however many it holds: ask for one, of a larger "
                "profile, or for a whole GPU",
                field_path=".count",
            ),
        )
    }
