"""The objects that a model has once, whatever its revisions: identity, address, protection."""

from __future__ import annotations

from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.contract import pod
from marquee.control.render import names
from marquee.control.snapshot import Child

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


def service(
    model: MarketingModel, *, revision: str, annotations: dict[str, str], both_arms: bool = False
) -> dict[str, Any]:
    """The model's address. Its selector is the state of traffic: the revision in it answers users, and
    changing it is the one write that switches them.

    With ``both_arms`` all pods of the model answer, and their numbers are the split; the revision is stable's.
    """
    content = {
        "spec": {
            "type": "ClusterIP",
            "selector": names.arms_selector(model) if both_arms else names.pod_selector(model, revision),
            "ports": [{"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "http"}],
        }
    }
    annotations = {names.ANNOTATION_SERVING_REVISION: revision} | annotations
    return names.manifest(model, "v1", "Service", model.metadata.name, content, annotations=annotations)


def reaches_every_revision(stored: Child) -> bool:
    """Whether a stored Service selects the pods of any revision of its model."""
    return f'"{names.LABEL_REVISION}"'.encode() not in stored.body


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
