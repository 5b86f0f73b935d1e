"""Where the API serves the kinds that tests look at."""

from __future__ import annotations

from typing import Any, Final

GROUP: Final = "/apis/marquee.dev/v1alpha1"
ROOTS: Final = {
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "NetworkPolicy": ("/apis/networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Pod": ("/api/v1", "pods"),
    "Service": ("/api/v1", "services"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ScaledObject": ("/apis/keda.sh/v1alpha1", "scaledobjects"),
    "TrainJob": ("/apis/trainer.kubeflow.org/v1alpha1", "trainjobs"),
    "TrainingRuntime": ("/apis/trainer.kubeflow.org/v1alpha1", "trainingruntimes"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "MarketingModel": (GROUP, "marketingmodels"),
    "ModelRevision": (GROUP, "modelrevisions"),
    "ModelApproval": (GROUP, "modelapprovals"),
    "PromotionFreeze": (GROUP, "promotionfreezes"),
}
"""Group and version, and the plural."""

_NOT_EVERYWHERE: Final = {"HTTPRoute", "ScaledObject", "TrainJob", "TrainingRuntime"}
_OWN: Final = {"MarketingModel", "ModelRevision", "ModelApproval", "PromotionFreeze"}
CHILDREN: Final = tuple(kind for kind in ROOTS if kind not in {*_NOT_EVERYWHERE, *_OWN})
"""What must be gone when a model is; not every cluster serves routes, ScaledObjects and TrainJobs."""

Object = dict[str, Any]


def collection(kind: str, namespace: str | None = None) -> str:
    """URL path of all objects of a kind, or of those in a namespace."""
    root, plural = ROOTS[kind]
    return f"{root}/{plural}" if namespace is None else f"{root}/namespaces/{namespace}/{plural}"
