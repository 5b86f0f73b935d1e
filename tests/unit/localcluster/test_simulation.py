"""Simulated nodes and the stages of their pods."""

import json
from pathlib import Path

from localcluster.simulation import Simulation, nodes, stages, write_stages


def test_there_are_as_many_nodes_as_asked_for() -> None:
    """Each is marked as kwok's and takes the pods it is said to."""
    items = nodes(Simulation(nodes=3, pods_per_node=40))["items"]
    assert [item["metadata"]["name"] for item in items] == ["fake-0", "fake-1", "fake-2"]
    assert {item["status"]["allocatable"]["pods"] for item in items} == {"40"}
    assert all(item["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"} for item in items)


def test_taints_are_on_request() -> None:
    """Beside real nodes ordinary pods must keep off; alone they must not."""
    tainted = nodes(Simulation(nodes=1, tainted=True))["items"][0]
    assert tainted["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert nodes(Simulation(nodes=1))["items"][0]["spec"]["taints"] == []


def test_a_fixed_address_is_every_pods() -> None:
    """With an address given no pod gets one of its own."""
    fixed = next(s for s in stages("192.0.2.7") if s["metadata"]["name"] == "pod-running")
    own = next(s for s in stages(None) if s["metadata"]["name"] == "pod-running")
    assert '{{ $ADDRESS := "192.0.2.7" }}' in fixed["spec"]["next"]["statusTemplate"]
    assert "PodIPWith" not in fixed["spec"]["next"]["statusTemplate"]
    assert "PodIPWith" in own["spec"]["next"]["statusTemplate"]


def test_a_deleted_pod_only_goes() -> None:
    """Every other stage is closed to a pod that is being deleted."""
    for stage in stages(None):
        keys = {(m["key"], m["operator"]) for m in stage["spec"]["selector"]["matchExpressions"]}
        if stage["metadata"]["name"] == "pod-deleted":
            assert keys == {(".metadata.deletionTimestamp", "Exists")}
        elif stage["spec"]["resourceRef"]["kind"] == "Pod":
            assert (".metadata.deletionTimestamp", "DoesNotExist") in keys


def test_the_file_has_one_document_a_stage(tmp_path: Path) -> None:
    """Kwok reads YAML documents, of which JSON is one kind."""
    file = tmp_path / "stages.yaml"
    write_stages(file, None)
    documents = [json.loads(text) for text in file.read_text().split("\n---\n")]
    assert [d["kind"] for d in documents] == ["Stage"] * 4
