"""All objects of a model do their part, and go with it."""

from __future__ import annotations

from tests.support.place import Place
from tests.support.waiting import wait_for

KINDS = "deployments,replicasets,pods,services,serviceaccounts,poddisruptionbudgets,networkpolicies,hpa"
OF_THE_MODEL = "marquee.dev/model=lead"


def test_the_autoscaler_reads_cpu_and_every_object_of_a_model_goes_with_it(place: Place) -> None:
    """The HorizontalPodAutoscaler finds the serving Deployment and its CPU: it is able to scale. Deleting the
    MarketingModel leaves nothing of it in the namespace."""
    place.serve("lead", scaling={"class": "HPA", "maxReplicas": 2})
    assert {item["kind"] for item in place.target.list(KINDS, place.namespace, OF_THE_MODEL)} == {
        "Deployment", "ReplicaSet", "Pod", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy",
        "HorizontalPodAutoscaler",
    }  # fmt: skip
    wait_for("ScalingActive", lambda: _scales(place) or None, timeout_seconds=120)
    place.target.kubectl("delete", "mm", "lead", "-n", place.namespace)
    wait_for("nothing left", lambda: True if _is_empty(place) else None, timeout_seconds=90)


def _scales(place: Place) -> bool:
    scaler = place.target.get("hpa", "lead", place.namespace) or {}
    conditions = {c["type"]: c["status"] for c in scaler.get("status", {}).get("conditions", [])}
    return conditions.get("ScalingActive") == "True"


def _is_empty(place: Place) -> bool:
    return not place.target.list(KINDS, place.namespace, OF_THE_MODEL)
