"""The autoscalers: a HorizontalPodAutoscaler of the serving revision, or KEDA's ScaledObject of each arm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.api.scaling import ScalingBehavior, ScalingClass
from marquee.control.kinds import SCALED_OBJECT
from marquee.control.render import names
from marquee.control.snapshot import Keda

DEFAULT_CPU_UTILIZATION_PERCENT: Final = 70
DEFAULT_IDLE_SECONDS: Final = 300
POLLING_SECONDS: Final = 15
"""How often KEDA looks whether a model without pods is to have some; with pods the autoscaler's own period counts."""
WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class ScaledArm:
    """One revision that an autoscaler of its own has the pods of."""

    revision: str
    floor: int
    """Pods at least."""
    share: int = WHOLE
    """Percent of the load that it is prepared for, and of the scheduled floors."""
    held: bool = False
    """It is not scaled down, whatever the load."""


def part_of(replicas: int, share: int) -> int:
    """So many pods carry a share of what `replicas` carry; at least one."""
    return max(1, math.ceil(replicas * share / WHOLE))


def horizontal_pod_autoscaler(model: MarketingModel, *, revision: str) -> dict[str, Any] | None:
    """The autoscaler of the serving revision's Deployment, when the model asks for one."""
    scaling = model.spec.scaling
    if scaling.class_ is not ScalingClass.HPA:
        return None
    target = {
        "type": "Utilization",
        "averageUtilization": scaling.cpu_utilization_percent or DEFAULT_CPU_UTILIZATION_PERCENT,
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision},
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    if behavior := _behavior(scaling.behavior, held=False):
        spec["behavior"] = behavior
    return names.manifest(model, "autoscaling/v2", "HorizontalPodAutoscaler", model.metadata.name, {"spec": spec})


def scaled_object(model: MarketingModel, arm: ScaledArm, keda: Keda) -> dict[str, Any]:
    """KEDA's object for one arm. A model of class KEDA has ``maxReplicas``."""
    scaling = model.spec.scaling
    idle_seconds = DEFAULT_IDLE_SECONDS if scaling.idle_seconds is None else scaling.idle_seconds
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": arm.revision},
        "pollingInterval": POLLING_SECONDS,
        # a newcomer has had no user yet when it takes over
        "initialCooldownPeriod": idle_seconds,
        "cooldownPeriod": idle_seconds,
        "minReplicaCount": arm.floor,
        "maxReplicaCount": scaling.max_replicas,
        "triggers": list(_triggers(model, arm, keda)),
    }
    if behavior := _behavior(scaling.behavior, held=arm.held):
        spec["advanced"] = {"horizontalPodAutoscalerConfig": {"behavior": behavior}}
    labels = {names.LABEL_REVISION: arm.revision}
    kind = SCALED_OBJECT
    return names.manifest(model, kind.api_version, kind.kind, arm.revision, {"spec": spec}, labels=labels)


def _triggers(model: MarketingModel, arm: ScaledArm, keda: Keda) -> Iterator[dict[str, Any]]:
    scaling = model.spec.scaling
    if scaling.cpu_utilization_percent is not None:
        yield {
            "type": "cpu",
            "metricType": "Utilization",
            "metadata": {"value": str(scaling.cpu_utilization_percent)},
        }
    if keda.demand_url:
        url = f"{keda.demand_url}/{model.metadata.namespace}/{model.metadata.name}/{arm.revision}"
        for field, target in (
            ("requestsPerSecond", scaling.requests_per_second),
            ("concurrency", scaling.concurrency),
        ):
            if target is not None:
                yield _demand(url, field, target, keda)
    for floor in scaling.schedule:
        yield {
            "type": "cron",
            "metadata": {
                "timezone": floor.time_zone,
                "start": floor.start,
                "end": floor.end,
                "desiredReplicas": str(part_of(floor.min_replicas, arm.share)),
            },
        }


def _demand(url: str, field: str, target: float, keda: Keda) -> dict[str, Any]:
    """What all pods of a revision have to do together, over what one of them is to do: the wished number of pods."""
    trigger: dict[str, Any] = {
        "type": "metrics-api",
        "metricType": "AverageValue",
        "metadata": {"url": url, "valueLocation": field, "targetValue": f"{target:g}"},
    }
    if keda.authentication:
        trigger["metadata"]["authMode"] = "bearer"
        trigger["authenticationRef"] = {"kind": "ClusterTriggerAuthentication", "name": keda.authentication}
    return trigger


def _behavior(wished: ScalingBehavior | None, *, held: bool) -> dict[str, Any]:
    """As autoscaling/v2 has it; empty: Kubernetes' defaults."""
    told: dict[str, Any] = {}
    if wished is not None:
        told = wished.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    if held:
        told["scaleDown"] = {"selectPolicy": "Disabled"}
    return {direction: rules for direction, rules in told.items() if rules}
