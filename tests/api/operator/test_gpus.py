"""Models that ask for GPUs, on a real control plane: a real scheduler says whether nodes have them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.operator.team import Team
from tests.support.simulation import SimulatedCluster

_numbers = itertools.count(1)


@pytest.fixture
def gpu(cluster: SimulatedCluster) -> Iterator[str]:
    """A device that one node has one of, as its kubelet says once a device plugin runs there."""
    name = f"example.com/gpu-{next(_numbers)}"
    _offer(cluster, name, "1")
    yield name
    _offer(cluster, name, "0")


def _offer(cluster: SimulatedCluster, device: str, count: str) -> None:
    """Set how many of the device the first node has."""
    status = {"status": {"capacity": {device: count}, "allocatable": {device: count}}}
    path = "/api/v1/nodes/simulated-0/status"
    answer = cluster.server.send("PATCH", path, status, content_type="application/merge-patch+json")
    assert answer.accepted, answer.message


def _asking(device: str, **spec: Any) -> dict[str, Any]:
    return {"serving": {"gpu": {"resource": device}}} | spec


def _serve_one(team: Team, gpu: str) -> None:
    """A revision that serves with the only GPU, and another one."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", **_asking(gpu))
    team.serves("lead", "lead-v1")
    team.revision("lead-v2", digest="sha256:" + "2" * 64)


def test_one_gpu_is_swapped_by_the_command_that_the_condition_names(team: Team, gpu: str) -> None:
    """Stable holds it and keeps serving; once stopped, the newcomer takes it and takes over, and stable is gone."""
    _serve_one(team, gpu)
    team.model("lead", "lead-v2", **_asking(gpu))
    message = team.fails("lead", "GpuInUse")["message"]
    assert f"every {gpu} that the pods may use is taken, and revision lead-v1 holds some" in message
    assert f"`kubectl scale --replicas=0 deployment -n {team.namespace} lead-v1`" in message
    assert message.endswith("revision lead-v1 keeps serving")
    assert team.receives("lead") == "lead-v1"
    team.edit("Deployment", "lead-v1", {"spec": {"replicas": 0}}, subresource="scale")
    team.serves("lead", "lead-v2")
    team.wait(lambda: team.names("Deployment") == ["lead-v2"], "stable is gone")


def test_whoever_changes_their_mind_is_where_they_were(team: Team, gpu: str) -> None:
    """Naming the former revision again removes the one that waits; also when stable was stopped for it."""
    _serve_one(team, gpu)
    team.model("lead", "lead-v2", **_asking(gpu))
    team.fails("lead", "GpuInUse")
    team.edit("Deployment", "lead-v1", {"spec": {"replicas": 0}}, subresource="scale")
    team.model("lead", "lead-v1", **_asking(gpu))
    team.serves("lead", "lead-v1")
    team.wait(lambda: team.names("Deployment") == ["lead-v1"], "the other one is gone")


def test_a_second_gpu_ends_the_wait(team: Team, cluster: SimulatedCluster, gpu: str) -> None:
    """Surge: a node with a free one, and the rollout goes on by itself."""
    _serve_one(team, gpu)
    team.model("lead", "lead-v2", **_asking(gpu))
    team.fails("lead", "GpuInUse")
    _offer(cluster, gpu, "2")
    team.serves("lead", "lead-v2")


def test_a_change_in_place_says_who_keeps_it_up(team: Team, gpu: str) -> None:
    """Another number of threads for the same revision: its own pod holds the GPU, until it is made anew."""
    _serve_one(team, gpu)
    changed = {"serving": {"gpu": {"resource": gpu}, "threads": 2}}
    team.model("lead", "lead-v1", **changed)
    message = team.fails("lead", "GpuInUse")["message"]
    assert "this revision's pods from before the change hold some" in message
    assert f"`kubectl delete deployment -n {team.namespace} lead-v1`" in message
    team.delete("Deployment", "lead-v1")
    team.serves("lead", "lead-v1")


def test_a_gpu_that_no_node_has_is_told(team: Team, gpu: str) -> None:
    """A device that nobody offers, and more of one than any node has."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", **_asking("nvidia.com/mig-1g.10gb"))
    team.revision("churn-v1")
    team.model("churn", "churn-v1", serving={"gpu": {"resource": gpu, "count": 2}})
    assert "as much nvidia.com/mig-1g.10gb as a pod asks for" in team.fails("lead", "GpuNotFound")["message"]
    assert f"as much {gpu} as a pod asks for" in team.fails("churn", "GpuNotFound")["message"]


def test_a_claim_that_nobody_can_allocate_is_told(team: Team) -> None:
    """Dynamic resource allocation: the template is there, and no driver."""
    template = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "one-gpu"},
        "spec": {
            "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}
        },
    }
    path = f"/apis/resource.k8s.io/v1/namespaces/{team.namespace}/resourceclaimtemplates"
    answer = team.cluster.server.create(path, template)
    assert answer.accepted, answer.message
    team.revision("lead-v1")
    team.model("lead", "lead-v1", serving={"gpu": {"resourceClaimTemplateName": "one-gpu"}})
    assert "kubectl get resourceclaims" in team.fails("lead", "GpuClaimPending")["message"]


def test_a_runtime_class_that_is_not_there_is_told(team: Team, gpu: str) -> None:
    """The API server admits no pod that names it, and says so."""
    team.revision("lead-v1")
    team.model("lead", "lead-v1", serving={"gpu": {"resource": gpu}, "runtimeClassName": "nowhere"})
    assert 'RuntimeClass "nowhere" not found' in team.fails("lead", "PodCreationRefused")["message"]
