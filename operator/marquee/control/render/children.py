"""The objects that a model has once, whatever its revisions: identity, address, protection, scaling."""

from __future__ import annotations

from typing import Any, Final

from marquee.api.marketing_model import MarketingModel, ScalingClass
from marquee.contract import pod
from marquee.control.render import names

DEFAULT_CPU_UTILIZATION_PERCENT: Final = 70
SERVICE_PORT: Final = 80


def service_account(model: MarketingModel) -> dict[str, Any]:
    """The pods' identity; it has no permissions and no token."""
    return names.manifest(
        model,
        "v1",
        "ServiceAccount",
        names.service_account_name(model),
        {"automountServiceAccountToken": False},
    )


def service(model: MarketingModel, *, revision: str, annotations: dict[str, str]) -> dict[str, Any]:
    """The model's address. Its selector is the state of traffic: the revision in it answers users, and
    changing it is the one write that switches them."""
    content = {
        "spec": {
            "type": "ClusterIP",
            "selector": names.pod_selector(model, revision),
            "ports": [{"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "http"}],
        }
    }
    annotations = {names.ANNOTATION_SERVING_REVISION: revision} | annotations
    return names.manifest(model, "v1", "Service", model.metadata.name, content, annotations=annotations)


def pod_disruption_budget(model: MarketingModel) -> dict[str, Any]:
    """A node drain takes one pod of the model at a time, and never blocks for a single replica."""
    content = {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": {names.LABEL_MODEL: model.metadata.name}}}}
    return names.manifest(model, "policy/v1", "PodDisruptionBudget", model.metadata.name, content)


def network_policy(model: MarketingModel) -> dict[str, Any]:
    """Nothing reaches the pods but predictions and metrics."""
    ports = [{"protocol": "TCP", "port": port} for port in (pod.SERVING_PORT, pod.METRICS_PORT)]
    content = {
        "spec": {
            "podSelector": {"matchLabels": {names.LABEL_MODEL: model.metadata.name}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        }
    }
    return names.manifest(model, "networking.k8s.io/v1", "NetworkPolicy", model.metadata.name, content)


def horizontal_pod_autoscaler(model: MarketingModel, *, revision: str) -> dict[str, Any] | None:
    """The autoscaler of the serving revision's Deployment, when the model asks for one."""
    scaling = model.spec.scaling
    if scaling.class_ is not ScalingClass.HPA:
        return None
    target = {
        "type": "Utilization",
        "averageUtilization": scaling.cpu_utilization_percent or DEFAULT_CPU_UTILIZATION_PERCENT,
    }
    content = {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": revision},
            "minReplicas": scaling.min_replicas,
            "maxReplicas": scaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        }
    }
    return names.manifest(model, "autoscaling/v2", "HorizontalPodAutoscaler", model.metadata.name, content)
