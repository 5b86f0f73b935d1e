"""What KEDA and Kubernetes are told of a model's scaling."""

from __future__ import annotations

from typing import Any, Final

import pytest

from marquee.control.render.scaling import ScaledArm, horizontal_pod_autoscaler, part_of, scaled_object
from marquee.control.snapshot import Keda
from tests.unit.control.builders import a_model

SOURCE: Final = Keda("http://marquee-metrics.marquee-system.svc:8081/demand", "marquee-demand")
KEDA: Final[dict[str, Any]] = {"class": "KEDA", "minReplicas": 2, "maxReplicas": 9, "requestsPerSecond": 12.5}
FLOOR: Final = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "timeZone": "Europe/Berlin", "minReplicas": 5}
BEHAVIOR: Final = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 600, "selectPolicy": "Min"},
}


def _spec(scaling: dict[str, Any], arm: ScaledArm = ScaledArm("churn-1", 2), keda: Keda = SOURCE) -> dict[str, Any]:  # noqa: B008
    spec: dict[str, Any] = scaled_object(a_model(revision={"name": "churn-1"}, scaling=scaling), arm, keda)["spec"]
    return spec


def test_an_arm_is_scaled_between_its_bounds() -> None:
    """It names the Deployment of its revision; the object has the revision's name and label."""
    model = a_model(revision={"name": "churn-1"}, scaling=KEDA)
    manifest = scaled_object(model, ScaledArm("churn-2", 3), SOURCE)
    assert (manifest["apiVersion"], manifest["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert manifest["metadata"]["name"] == "churn-2"
    assert manifest["metadata"]["labels"]["marquee.dev/revision"] == "churn-2"
    spec = manifest["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-2"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (3, 9)
    assert (spec["cooldownPeriod"], spec["initialCooldownPeriod"]) == (300, 300)
    assert _spec(KEDA | {"idleSeconds": 0})["cooldownPeriod"] == 0


def test_each_target_is_a_trigger() -> None:
    """CPU is the cluster's own metric; requests are asked of the operator, by revision, with credentials."""
    cpu, requests, concurrency = _spec(KEDA | {"cpuUtilizationPercent": 60, "concurrency": 3})["triggers"]
    assert cpu == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
    assert requests == {
        "type": "metrics-api",
        "metricType": "AverageValue",
        "metadata": {
            "url": "http://marquee-metrics.marquee-system.svc:8081/demand/crm/churn/churn-1",
            "valueLocation": "requestsPerSecond",
            "targetValue": "12.5",
            "authMode": "bearer",
        },
        "authenticationRef": {"kind": "ClusterTriggerAuthentication", "name": "marquee-demand"},
    }
    assert concurrency["metadata"]["valueLocation"] == "concurrency"
    assert concurrency["metadata"]["targetValue"] == "3"


def test_a_page_for_everybody_needs_no_credentials() -> None:
    """Without a name of an authentication none is referred to."""
    (trigger,) = _spec(KEDA, keda=Keda(SOURCE.demand_url))["triggers"]
    assert "authenticationRef" not in trigger


@pytest.mark.parametrize(("share", "pods"), [(100, "5"), (50, "3"), (1, "1")])
def test_a_floor_is_a_cron_trigger_by_the_arms_share(share: int, pods: str) -> None:
    """Both arms together have what the schedule asks for, rounded up."""
    (_, trigger) = _spec(KEDA | {"schedule": [FLOOR]}, ScaledArm("churn-1", 1, share))["triggers"]
    assert trigger == {
        "type": "cron",
        "metadata": {
            "timezone": "Europe/Berlin",
            "start": "0 8 * * 1-5",
            "end": "0 18 * * 1-5",
            "desiredReplicas": pods,
        },
    }


def test_behavior_is_passed_on_and_a_held_arm_stays() -> None:
    """What the spec leaves out is Kubernetes' default; a held arm is never scaled down, whatever the spec says."""
    assert "advanced" not in _spec(KEDA)
    told = _spec(KEDA | {"behavior": BEHAVIOR})["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert told == BEHAVIOR
    held = _spec(KEDA | {"behavior": BEHAVIOR}, ScaledArm("churn-1", 2, held=True))
    told = held["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert told == {"scaleUp": BEHAVIOR["scaleUp"], "scaleDown": {"selectPolicy": "Disabled"}}


def test_an_autoscaler_has_the_same_behavior() -> None:
    """Class HPA takes the block too."""
    scaling = {"class": "HPA", "maxReplicas": 9, "behavior": BEHAVIOR}
    manifest = horizontal_pod_autoscaler(a_model(revision={"name": "churn-1"}, scaling=scaling), revision="churn-1")
    assert manifest is not None
    assert manifest["spec"]["behavior"] == BEHAVIOR


@pytest.mark.parametrize(("replicas", "share", "pods"), [(10, 5, 1), (10, 25, 3), (10, 100, 10), (1, 1, 1), (0, 50, 1)])
def test_a_share_is_rounded_up_to_at_least_one_pod(replicas: int, share: int, pods: int) -> None:
    """A quarter of ten pods' load does not fit on two."""
    assert part_of(replicas, share) == pods
