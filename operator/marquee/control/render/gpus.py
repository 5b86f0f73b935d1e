"""The GPUs of a pod: which container gets them, and by which of Kubernetes' two ways."""

from __future__ import annotations

from typing import Any, Final

from marquee.api.gpu import Gpu
from marquee.api.resources import ResourceRequirements

_CLAIM: Final = "gpu"
"""Name of the claim within the pod."""


def with_gpus(resources: ResourceRequirements, gpu: Gpu | None) -> dict[str, Any]:
    """A container's resources together with its GPUs. They stand among the limits alone: Kubernetes takes a device's
    limit for its request, and admits no other."""
    rendered: dict[str, Any] = resources.model_dump(mode="json", exclude_defaults=True)
    if gpu is None:
        return rendered
    if gpu.resource is None:
        return rendered | {"claims": [{"name": _CLAIM}]}
    return rendered | {"limits": rendered.get("limits", {}) | {gpu.resource: str(gpu.count)}}


def resource_claims(gpu: Gpu | None) -> list[dict[str, Any]]:
    """The pod's claims of dynamic resource allocation."""
    if gpu is None or gpu.resource_claim_template_name is None:
        return []
    return [{"name": _CLAIM, "resourceClaimTemplateName": gpu.resource_claim_template_name}]
