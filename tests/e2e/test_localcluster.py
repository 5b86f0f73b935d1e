"""The local cluster outlives the violent end of any of its parts, and users notice nothing."""

from __future__ import annotations

import pytest

from localcluster.parts import read_state
from tests.support import parts
from tests.support.load import load_during
from tests.support.place import Place
from tests.support.waiting import wait_for

INPUTS = {"inputs": {"recency": 1.0, "frequency": 2.0, "spend": 3.0}}


@pytest.mark.alone
async def test_every_part_may_be_killed(serving: Place, place: Place) -> None:
    """SIGKILL on one part after the other: each comes back, the pods are the same, no request is lost, and the
    cluster goes on working: a model that is applied afterwards gets ready."""
    cluster = place.target.local
    assert cluster is not None
    state = read_state(cluster.layout.state)
    assert state is not None
    before = serving.pods()

    def kill_each() -> None:
        for part in state.parts:
            parts.restart(cluster, part)

    report = await load_during(f"{serving.url('lead')}/predict", INPUTS, rate=20, change=kill_each)
    assert report.failures == []
    assert set(state.parts) >= {"etcd", "kube-apiserver", "kubelet", "containerd", "kube-proxy"}
    wait_for("the node", lambda: _is_ready(place), timeout_seconds=60)
    place.serve("after")
    assert before == serving.pods()


def _is_ready(place: Place) -> bool | None:
    (node,) = place.target.list("nodes", place.namespace)
    return True if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"]) else None
