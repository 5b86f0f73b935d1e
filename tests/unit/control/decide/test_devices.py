"""What the scheduler says of a pod without a node, when a GPU is what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marquee.api.conditions import Reason
from marquee.control.decide.devices import Holder, device_wanted
from marquee.control.decide.diagnosing import Diagnosis, diagnose
from marquee.control.kinds import DEPLOYMENT
from marquee.control.render.deployment import deployment
from marquee.control.snapshot import DeploymentState
from tests.unit.control.builders import DEFAULTS, Arm, a_model, a_pod, a_revision, snapshot, stored

GPU: dict[str, Any] = {"gpu": {"resource": "nvidia.com/gpu"}}
TAKEN = (
    "0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) didn't match Pod's node affinity/selector. "
    "no new claims to deallocate, preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, "
    "2 Preemption is not helpful for scheduling."
)
NEVER = (
    "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available: 3 Preemption is not "
    "helpful for scheduling."
)
SHORT = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
"""An older scheduler's, or one that must not evict: it does not say whether there is any."""


def _deployments(serving: dict[str, Any], **arms: Arm) -> list[DeploymentState]:
    """Of revisions by name, with dashes for the underscores; their pods ask for what ``serving`` says."""
    model = a_model(revision={"name": "churn-1"}, serving=serving)
    states = snapshot(arms={name.replace("_", "-"): arm for name, arm in arms.items()}).deployments
    return [
        replace(state, child=stored(DEPLOYMENT, deployment(model, a_revision(state.child.name), DEFAULTS)))
        for state in states
    ]


def _diagnose(message: str, *, stable: Arm | None = None, serving: dict[str, Any] = GPU) -> Diagnosis:
    """Of a second revision whose only pod has no node."""
    (state,) = _deployments(GPU, churn_2=Arm(ready=0))
    others = _deployments(serving, churn_1=stable) if stable is not None else []
    found = diagnose(state, [a_pod("churn-2", ready=False, unschedulable=message)], others)
    assert found is not None
    return found


@pytest.mark.parametrize("message", [TAKEN, SHORT])
def test_a_gpu_that_stable_holds_has_three_ways_out(message: str) -> None:
    """Surge, time-share and swap, with the command that swaps; and the node may still come."""
    found = _diagnose(message, stable=Arm())
    assert (found.reason, found.may_pass) == (Reason.GPU_IN_USE, True)
    assert "every nvidia.com/gpu that the pods may use is taken, and revision churn-1 holds some" in found.message
    assert all(way in found.message for way in ("Surge: ", "Time-share: ", "Swap: "))
    assert "`kubectl scale --replicas=0 deployment -n crm churn-1`" in found.message
    assert len(found.message) < 700, "it is not cut"


@pytest.mark.parametrize(
    ("stable", "serving"),
    [(None, GPU), (Arm(replicas=0), GPU), (Arm(), {"gpu": {"resource": "nvidia.com/mig-1g.10gb"}})],
    ids=["alone", "stable is stopped", "stable holds something else"],
)
def test_a_gpu_that_others_hold_cannot_be_swapped_for(stable: Arm | None, serving: dict[str, Any]) -> None:
    """Where no other revision has it, stopping one frees nothing; it may also be the revision's own other pods."""
    found = _diagnose(TAKEN, stable=stable, serving=serving)
    assert found.reason is Reason.GPU_IN_USE
    assert "no other revision of this model holds one" in found.message
    assert "Swap" not in found.message


def test_a_change_in_place_is_kept_up_by_the_pods_before_it() -> None:
    """One GPU, one revision: the pods of its former template hold what the new ones wait for."""
    (state,) = _deployments(GPU, churn_1=Arm())
    former = a_pod("churn-1", 0, template="a")
    waiting = a_pod("churn-1", 1, template="b", ready=False, unschedulable=TAKEN)
    found = diagnose(state, [former, waiting])
    assert found is not None
    assert "this revision's pods from before the change hold some" in found.message
    assert "`kubectl delete deployment -n crm churn-1`" in found.message


def test_a_gpu_that_no_node_has_is_another_thing() -> None:
    """No pod that ended would help; who serves is not named as its cause."""
    found = _diagnose(NEVER, stable=Arm())
    assert (found.reason, found.may_pass) == (Reason.GPU_NOT_FOUND, True)
    assert "no node that the pods may run on has as much nvidia.com/gpu as a pod asks for" in found.message
    assert "device plugin" in found.message
    assert "churn-1" not in found.message


@pytest.mark.parametrize(
    "message",
    [
        "0/1 nodes are available: 1 cannot allocate all claims. still not schedulable, preemption: ...",
        "0/1 nodes are available: 1 request gpu: device class gpu.nvidia.com does not exist.",
        'waiting for dynamic resource controller to create the resourceclaim "one-gpu"',
        'resourceclaim.resource.k8s.io "churn-1-gpu" not found',
    ],
)
def test_a_claim_that_is_not_allocated_is_told_in_the_schedulers_words(message: str) -> None:
    """Dynamic resource allocation has its own objects to look at."""
    found = _diagnose(message)
    assert found.reason is Reason.GPU_CLAIM_PENDING
    assert message.rstrip(".") in found.message
    assert "kubectl get resourceclaims" in found.message


@pytest.mark.parametrize(
    ("message", "device"),
    [
        ("0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb.", "nvidia.com/mig-1g.10gb"),
        ("0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient amd.com/gpu, 1 x.", "amd.com/gpu"),
        ("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.shared. preemption: none", "nvidia.com/gpu.shared"),
    ],
)
def test_the_device_is_named_as_nodes_name_it(message: str, device: str) -> None:
    """Dots belong to names; the sentence's own do not."""
    want = device_wanted(message, [Holder("churn-1", "crm", f'"{device}":"1"'.encode())])
    assert want is not None
    assert f"every {device} that the pods may use is taken, and revision churn-1 holds some" in want.message


@pytest.mark.parametrize(
    "message",
    [
        "0/3 nodes are available: 3 Insufficient cpu.",
        "0/3 nodes are available: 3 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes ...",
        "0/3 nodes are available: 3 node(s) had untolerated taint {nvidia.com/gpu: present}.",
        "",
    ],
)
def test_other_complaints_are_none_of_a_gpu(message: str) -> None:
    """Too little CPU or memory, a taint, and the scheduler's passing remark on claims."""
    assert device_wanted(message, []) is None
