"""Fake nodes for kwok and the stages through which it takes the pods on them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAKE_NODE = {"kwok.x-k8s.io/node": "fake"}
_NOT_DELETED = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_NODE_STATUS = """
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
{{ with .status.addresses }}{{ YAML . 1 }}{{ else }}
- type: InternalIP
  address: {{ NodeIP | Quote }}
{{ end }}
phase: Running
"""

_POD_RUNNING = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ $ADDRESS | Quote }}
podIPs:
- ip: {{ $ADDRESS | Quote }}
conditions:
{{ range $type := list "Initialized" "PodReadyToStartContainers" "ContainersReady" "Ready" }}
- type: {{ $type }}
  status: "True"
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
{{ if .spec.initContainers }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state:
    {{ if eq (or .restartPolicy "") "Always" }}
    running:
      startedAt: {{ $now | Quote }}
    {{ else }}
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
    {{ end }}
{{ end }}
{{ end }}
"""

_POD_SUCCEEDED = """
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
"""


@dataclass(frozen=True)
class Simulation:
    """How many fake nodes there are and where their pods seem to live."""

    nodes: int = 12
    pods_per_node: int = 250
    pod_address: str | None = None
    """One address for every pod, where something real answers; None: an own one for each."""
    tainted: bool = False
    """Keep ordinary pods off the fake nodes; needed where real nodes exist too."""
    extra_stages: tuple[Path, ...] = ()


def stages(pod_address: str | None) -> list[dict[str, Any]]:
    """Built-in Stage objects: nodes get ready, pods run, Jobs' pods succeed, deleted pods go."""
    address = (
        json.dumps(pod_address)
        if pod_address
        else "(PodIPWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace)"
    )
    running = "{{ $ADDRESS := " + address + " }}" + _POD_RUNNING
    unready = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "NotIn",
        "values": ["True"],
    }
    of_job = {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}
    deleted = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    return [
        _stage("node-ready", "Node", [unready], {"statusTemplate": _NODE_STATUS}),
        _stage("pod-running", "Pod", [_NOT_DELETED, _phase("Pending")], {"statusTemplate": running}),
        _stage("pod-succeeded", "Pod", [_NOT_DELETED, _phase("Running"), of_job], {"statusTemplate": _POD_SUCCEEDED}),
        _stage("pod-deleted", "Pod", [deleted], {"delete": True}),
    ]


def nodes(simulation: Simulation) -> dict[str, Any]:
    """The fake Node objects, as one List."""
    taint = [{"key": key, "value": value, "effect": "NoSchedule"} for key, value in FAKE_NODE.items()]
    capacity = {"cpu": "1000", "memory": "4Ti", "pods": str(simulation.pods_per_node)}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"fake-{number}",
                "annotations": FAKE_NODE,
                "labels": {"kubernetes.io/hostname": f"fake-{number}", "kubernetes.io/os": "linux"},
            },
            "spec": {"taints": taint if simulation.tainted else []},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        for number in range(simulation.nodes)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def write_stages(path: Path, pod_address: str | None) -> None:
    """Write the built-in stages to a file that kwok reads; JSON documents are YAML documents."""
    path.write_text("\n---\n".join(json.dumps(stage) for stage in stages(pod_address)) + "\n")


def _phase(name: str) -> dict[str, Any]:
    return {"key": ".status.phase", "operator": "In", "values": [name]}


def _stage(name: str, kind: str, matching: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": matching},
            "next": then,
        },
    }
