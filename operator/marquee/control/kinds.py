"""The kinds of object the operator reads and writes, and where the API serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """One served version of one kind."""

    group: str
    """API group; empty for the core group."""

    version: str
    plural: str
    """Name in URLs and in RBAC rules."""

    kind: str
    """Name in manifests."""

    namespaced: bool = True

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """``group/version`` as manifests write it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection_path(self, namespace: str | None = None) -> str:
        """URL path of all objects of the kind, or of those in `namespace`."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace is None or not self.namespaced:
            return f"{root}/{self.plural}"
        return f"{root}/namespaces/{_segment(namespace)}/{self.plural}"

    def object_path(self, namespace: str | None, name: str) -> str:
        """URL path of one object; `namespace` is ignored for a cluster-scoped kind."""
        if self.namespaced and namespace is None:
            raise ValueError(f"{self.kind} {name!r} needs a namespace: the kind is namespaced")
        return f"{self.collection_path(namespace)}/{_segment(name)}"


def _segment(name: str) -> str:
    # A name may come from a user's spec; it must not climb to another path of the API.
    if name in {"", ".", ".."}:
        raise ValueError(f"{name!r} is no name of a Kubernetes object")
    return quote(name, safe="")


MARKETING_MODEL: Final = Kind("marquee.dev", "v1alpha1", "marketingmodels", "MarketingModel")
MODEL_REVISION: Final = Kind("marquee.dev", "v1alpha1", "modelrevisions", "ModelRevision")
PROMOTION_FREEZE: Final = Kind("marquee.dev", "v1alpha1", "promotionfreezes", "PromotionFreeze")
MODEL_APPROVAL: Final = Kind("marquee.dev", "v1alpha1", "modelapprovals", "ModelApproval")

DEPLOYMENT: Final = Kind("apps", "v1", "deployments", "Deployment")
REPLICA_SET: Final = Kind("apps", "v1", "replicasets", "ReplicaSet")
JOB: Final = Kind("batch", "v1", "jobs", "Job")
POD: Final = Kind("", "v1", "pods", "Pod")
SERVICE: Final = Kind("", "v1", "services", "Service")
SERVICE_ACCOUNT: Final = Kind("", "v1", "serviceaccounts", "ServiceAccount")
NAMESPACE: Final = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
POD_DISRUPTION_BUDGET: Final = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
NETWORK_POLICY: Final = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
HORIZONTAL_POD_AUTOSCALER: Final = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
SCALED_OBJECT: Final = Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
TRAIN_JOB: Final = Kind("trainer.kubeflow.org", "v1alpha1", "trainjobs", "TrainJob")
TRAINING_RUNTIME: Final = Kind("trainer.kubeflow.org", "v1alpha1", "trainingruntimes", "TrainingRuntime")
GATEWAY: Final = Kind("gateway.networking.k8s.io", "v1", "gateways", "Gateway")
HTTP_ROUTE: Final = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
LEASE: Final = Kind("coordination.k8s.io", "v1", "leases", "Lease")
EVENT: Final = Kind("events.k8s.io", "v1", "events", "Event")
