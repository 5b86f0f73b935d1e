"""Pods that wait for a GPU, as the scheduler tells it: whether there is none, or every one is taken, and by whom.

The scheduler writes into the condition ``PodScheduled`` what each node lacks, and then whether it would help to evict
somebody. Where it would not, because the node never has that much, that is said as well (Kubernetes,
``pkg/scheduler/framework/preemption``); a device that nodes have and that is taken is the other case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from marquee.api.conditions import Reason

_INSUFFICIENT: Final = re.compile(r"Insufficient ([^\s,]+/[^\s,]*[^\s,.])")
"""Extended resources alone have a domain in their name."""
_TAKEN: Final = "No preemption victims found"
_NEVER: Final = "Preemption is not helpful"
_CLAIM: Final = re.compile(r"resource ?claim|allocate all claims|device class|allocate devices", re.IGNORECASE)
_DOCUMENT: Final = "docs/gpus.md"


@dataclass(frozen=True, slots=True)
class Holder:
    """Pods of the same model that may hold what another pod waits for."""

    revision: str
    namespace: str
    body: bytes
    """Their Deployment as JSON, which names what they ask for."""
    former: bool = False
    """They are of the very revision that waits, as it was before its last change."""


@dataclass(frozen=True, slots=True)
class Want:
    """What keeps a pod from being scheduled, when that is a device."""

    reason: Reason
    message: str
    """Says what to do."""


def device_wanted(unschedulable: str, holders: Iterable[Holder]) -> Want | None:
    """What is wanted, or None when the scheduler complains of something else.

    Args:
        unschedulable: The scheduler's message.
        holders: Other pods of the model that run.

    """
    if (found := _INSUFFICIENT.search(unschedulable)) is not None:
        device = found[1]
        if _NEVER in unschedulable and _TAKEN not in unschedulable:
            return Want(Reason.GPU_NOT_FOUND, _not_found(device))
        holder = next((one for one in holders if device.encode() in one.body), None)
        return Want(Reason.GPU_IN_USE, _in_use(device, holder))
    if _CLAIM.search(unschedulable):
        return Want(Reason.GPU_CLAIM_PENDING, _claim(unschedulable))
    return None


def _not_found(device: str) -> str:
    return (
        f"no node that the pods may run on has as much {device} as a pod asks for, taken or free: see "
        "status.allocatable of the nodes; does the device plugin run there, do nodeSelector and tolerations admit a "
        "node that has it, and is spec.serving.gpu right?"
    )


def _in_use(device: str, holder: Holder | None) -> str:
    if holder is None:
        return (
            f"every {device} that the pods may use is taken, and no other revision of this model holds one: add a node "
            "with a free one, end what holds them, or ask for fewer pods in spec.scaling"
        )
    whose = "this revision's pods from before the change hold" if holder.former else f"revision {holder.revision} holds"
    verb = "delete deployment" if holder.former else "scale --replicas=0 deployment"
    swap = f"kubectl {verb} -n {holder.namespace} {holder.revision}"
    return (
        f"every {device} that the pods may use is taken, and {whose} some. Surge: add a node with a free one. "
        f"Time-share: have the device plugin offer shares, and name them in spec.serving.gpu.resource. Swap: `{swap}`, "
        f"after which nobody is answered until the new pods are ready ({_DOCUMENT})"
    )


def _claim(unschedulable: str) -> str:
    said = unschedulable.rstrip(".")
    return (
        f"the pods' ResourceClaim can't be allocated: {said}; see `kubectl get resourceclaims` and `kubectl get "
        f"resourceslices`, and spec.serving.gpu.resourceClaimTemplateName ({_DOCUMENT})"
    )
