"""A real API server with controllers, whose pods are simulated and answer the operator's probe."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster import ControlPlane
from marquee.contract.pod import SERVING_PORT
from tests.support import parts
from tests.support.addresses import LocalAddresses
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import install, install_crds
from tests.support.predictors import Predictors

HELD: Final = {"test.marquee.dev/held": "true"}
"""Node selector of pods that stay as they are created: a test writes their status itself."""

_CAPACITY: Final = {"cpu": "1000", "memory": "4Ti", "pods": "250"}


@dataclass(frozen=True)
class SimulatedCluster:
    """A running control plane, the administrator's client, and what its pods answer."""

    plane: ControlPlane
    server: ApiServer
    predictors: Predictors
    spare_address: str
    """Answers like a pod's, and no pod gets it by itself: for held pods."""


@contextmanager
def simulated_cluster(folder: Path, others: Collection[Mapping[str, Any]] = ()) -> Iterator[SimulatedCluster]:
    """Start everything with Marquee's kinds and an audit log; on leaving, nothing is left.

    Args:
        folder: For everything that runs.
        others: CRDs of others that are served too.

    """
    stages = folder / "stages.json"
    folder.mkdir(parents=True, exist_ok=True)
    stages.write_text(json.dumps(_held_stage()))
    trainers = folder / "trainers.json"
    trainers.write_text(json.dumps(_trainer_stage()))
    plane = ControlPlane(
        folder / "plane",
        controllers=True,
        kwok=True,
        kwok_nodes=1,
        kwok_taint=True,
        kwok_stages=[stages, trainers],
        audit=True,
    )
    with LocalAddresses(SERVING_PORT) as addresses, plane, ApiServer(plane) as server:
        install_crds(server)
        install(server, others)
        # The garbage collector looks for new kinds every 30 s only, but at its start.
        parts.restart(plane, "kube-controller-manager")
        for number, network in enumerate(addresses.halves()):
            answer = server.create("/api/v1/nodes", _node(f"simulated-{number}", str(network)))
            assert answer.accepted, answer.message
        with Predictors(plane, addresses.hosts()) as predictors:
            yield SimulatedCluster(plane, server, predictors, addresses.spare())


def _node(name: str, network: str) -> dict[str, Any]:
    """A node of kwok's, with addresses for its pods that answer."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"} | HELD,
        },
        "spec": {"podCIDR": network, "podCIDRs": [network]},
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }


def _held_stage() -> dict[str, Any]:
    """Outweighs kwok's own first stage for pods that ask to be held, and is due tomorrow."""
    ((key, value),) = HELD.items()
    return _stage("pod-held", f'.spec.nodeSelector["{key}"]', value)


def _trainer_stage() -> dict[str, Any]:
    """The same for trainers: what one leaves is a test's to say."""
    return _stage("trainer-held", '.metadata.labels["app.kubernetes.io/name"]', "marquee-trainer")


def _stage(name: str, key: str, value: str) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {
                "matchExpressions": [
                    {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
                    {"key": key, "operator": "In", "values": [value]},
                ]
            },
            "weight": 1,
            "delay": {"durationMilliseconds": 86_400_000},
            "next": {"statusTemplate": "phase: Pending"},
        },
    }
