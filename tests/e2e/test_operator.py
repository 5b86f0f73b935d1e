"""The operator as the chart installs it: replaced, upgraded and removed without touching what serves."""

from __future__ import annotations

import json

import pytest

from demo.images import Images
from demo.story import SYSTEM, install
from demo.target import Target, wait_for
from localcluster.stages import Stages
from tests.support.place import Place


def _holder(target: Target) -> str | None:
    lease = target.get("lease", "marquee", SYSTEM)
    return lease["spec"].get("holderIdentity") or None if lease else None


@pytest.mark.xdist_group("leader")
def test_leader_killed_standby_takes_over(place: Place) -> None:
    """With the leading pod gone the standby leads, finishes what is new and restarts nothing."""
    place.serve("lead")
    before = place.pods()
    leader = wait_for("a leader", lambda: _holder(place.target), timeout_seconds=30)
    pod = leader.rsplit("_", 1)[0]
    place.target.kubectl("delete", "pod", pod, "-n", SYSTEM, "--grace-period=0", "--force")
    wait_for(
        "another leader",
        lambda: True if (_holder(place.target) or leader) != leader else None,
        timeout_seconds=60,
    )
    place.serve("other")
    assert before.items() <= place.pods().items()


@pytest.mark.alone
def test_upgrade_restarts_no_model_pod(place: Place, images: Images) -> None:
    """An upgrade that brings other defaults for predictors leaves deployed revisions on theirs."""
    place.serve("lead")
    before = place.pods()
    image = {"repository": "localhost/marquee/another", "tag": "2", "pullPolicy": "Always"}
    another = {"predictor": {"image": image, "imagePullSecrets": ["another"]}}
    install(place.target, images, Stages(), **another)
    try:
        place.target.kubectl("annotate", "mm", "lead", "-n", place.namespace, "look=again")
        place.wait_for_reason("lead", "Serving")
        assert place.pods() == before
    finally:
        install(place.target, images, Stages())
    assert place.pods() == before


def test_every_object_of_a_model_goes_with_it(place: Place) -> None:
    """Deleting the MarketingModel leaves nothing of it in the namespace."""
    place.serve("lead", scaling={"class": "HPA", "maxReplicas": 2})
    kinds = "deployments,replicasets,pods,services,serviceaccounts,poddisruptionbudgets,networkpolicies,hpa"
    selector = "marquee.dev/model=lead"
    found = {item["kind"] for item in place.target.list(kinds, place.namespace, selector)}
    assert found == {
        "Deployment", "ReplicaSet", "Pod", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy",
        "HorizontalPodAutoscaler",
    }  # fmt: skip
    place.target.kubectl("delete", "mm", "lead", "-n", place.namespace)
    wait_for(
        "nothing left",
        lambda: True if not place.target.list(kinds, place.namespace, selector) else None,
        timeout_seconds=90,
    )


def test_autoscaler_reads_the_pods_cpu(place: Place) -> None:
    """The HorizontalPodAutoscaler finds the serving Deployment and its CPU: it is able to scale."""
    place.serve("lead", scaling={"class": "HPA", "maxReplicas": 2})

    def active() -> bool | None:
        scaler = place.target.get("hpa", "lead", place.namespace) or {}
        conditions = {c["type"]: c["status"] for c in scaler.get("status", {}).get("conditions", [])}
        return True if conditions.get("ScalingActive") == "True" else None

    wait_for("ScalingActive", active, timeout_seconds=120)


@pytest.mark.alone
def test_uninstall_keeps_models_serving(place: Place, images: Images) -> None:
    """Without the chart the CRDs, the models and their pods stay; installed again, nothing is restarted."""
    place.serve("lead")
    before = place.pods()
    place.target.helm("uninstall", "marquee", "--namespace", SYSTEM, "--wait")
    try:
        assert place.target.get("marketingmodel", "lead", place.namespace) is not None
        assert place.pods() == before
    finally:
        install(place.target, images, Stages())
    place.target.kubectl("annotate", "mm", "lead", "-n", place.namespace, "look=again")
    place.wait_for_reason("lead", "Serving")
    assert place.pods() == before
    events = json.loads(place.target.kubectl("get", "events", "-n", place.namespace, "-o", "json"))["items"]
    assert [e for e in events if e.get("type") == "Warning" and e["involvedObject"]["kind"] == "MarketingModel"] == []
