"""The Deployment of one revision: restricted pods that drain without a lost request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel, Toleration
from marquee.api.model_revision import ModelRevision
from marquee.contract import pod
from marquee.control.render import names
from marquee.control.render.defaults import remember
from marquee.control.render.gpus import resource_claims, with_gpus
from marquee.control.render.privacy import key_mounts, key_volumes, privacy_settings
from marquee.control.render.triton import MODELS_MOUNT, triton_container, triton_settings, triton_volumes
from marquee.control.snapshot import Defaults

USER_ID: Final = 65532
PRE_STOP_SECONDS: Final = 5
"""Endpoints are withdrawn while the pod still accepts: kube-proxy needs up to a few seconds to follow."""
POD_DRAIN_SECONDS: Final = 10
"""After SIGTERM the front closes each connection with its next answer; idle ones end at this bound."""
KILL_MARGIN_SECONDS: Final = 15

LEDGER_TOKEN_SECONDS: Final = 3_600
"""The kubelet renews it when four fifths of that are over."""
LEDGER_TOKEN_MOUNT: Final = {
    "name": "ledger-token",
    "mountPath": str(PurePosixPath(pod.LEDGER_TOKEN_PATH).parent),
    "readOnly": True,
}
SPOOL_SIZE: Final = "64Mi"
"""Twice what a pod keeps at most: a file is written before its predecessor goes."""

_PVC_SCHEME: Final = "pvc://"


def deployment(model: MarketingModel, revision: ModelRevision, defaults: Defaults) -> dict[str, Any]:
    """The manifest. It leaves ``replicas`` out: the number is written through the scale subresource only,
    so that no apply can ever reset what a scaler has set.

    ``defaults`` are for what the model leaves open, and are remembered on the Deployment either way.
    """
    name = revision.metadata.name
    selector = names.pod_selector(model, name)
    content = {
        "spec": {
            "selector": {"matchLabels": selector},
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": model.spec.rollout.progress_deadline_seconds,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": names.model_labels(model) | selector},
                "spec": _pod_spec(model, revision, defaults),
            },
        }
    }
    labels = {names.LABEL_REVISION: name}
    if model.spec.serving.triton is None:
        defaults = replace(defaults, triton_image="")  # of no concern here, and nothing to write for where it is new
    annotations = {names.ANNOTATION_DEFAULTS: remember(defaults)}
    return names.manifest(model, "apps/v1", "Deployment", name, content, labels=labels, annotations=annotations)


def claim_of(uri: str) -> str | None:
    """The PersistentVolumeClaim that a ``pvc://CLAIM/PATH`` artifact lies on."""
    return uri.removeprefix(_PVC_SCHEME).split("/", 1)[0] if uri.startswith(_PVC_SCHEME) else None


def _pod_spec(model: MarketingModel, revision: ModelRevision, defaults: Defaults) -> dict[str, Any]:
    serving = model.spec.serving
    volumes: list[dict[str, Any]] = [{"name": "artifacts", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [
        {"name": "artifacts", "mountPath": pod.ARTIFACT_CACHE_PATH},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
    ]
    if claim := claim_of(revision.spec.artifact.uri):
        volumes.append({"name": "source", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
        mounts.append({"name": "source", "mountPath": f"{pod.PVC_MOUNT_ROOT}/{claim}", "readOnly": True})
    if defaults.ledger_url:
        volumes += [ledger_token_volume(), {"name": "spool", "emptyDir": {"sizeLimit": SPOOL_SIZE}}]
        mounts += [
            LEDGER_TOKEN_MOUNT,
            {"name": "spool", "mountPath": pod.SPOOL_PATH},
        ]
    volumes += key_volumes(model.spec.privacy)
    mounts += key_mounts(model.spec.privacy)
    if serving.triton is not None:
        volumes += triton_volumes()
        mounts.append(MODELS_MOUNT)
    spec: dict[str, Any] = {
        "serviceAccountName": names.service_account_name(model),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": PRE_STOP_SECONDS + POD_DRAIN_SECONDS + KILL_MARGIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": names.pod_selector(model, revision.metadata.name)},
            }
        ],
        "containers": [_container(model, revision, defaults, mounts)],
        "volumes": volumes,
    }
    if serving.triton is not None:
        spec["initContainers"] = [triton_container(serving, serving.triton, defaults)]
    if defaults.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in defaults.image_pull_secrets]
    if claims := resource_claims(serving.gpu):
        spec["resourceClaims"] = claims
    if serving.runtime_class_name:
        spec["runtimeClassName"] = serving.runtime_class_name
    if serving.node_selector:
        spec["nodeSelector"] = dict(serving.node_selector)
    if serving.tolerations:
        spec["tolerations"] = [_toleration(toleration) for toleration in serving.tolerations]
    return spec


def ledger_token_volume() -> dict[str, Any]:
    """A token of the pod's service account that is good for the ledger alone."""
    token = {
        "audience": pod.LEDGER_AUDIENCE,
        "expirationSeconds": LEDGER_TOKEN_SECONDS,
        "path": PurePosixPath(pod.LEDGER_TOKEN_PATH).name,
    }
    return {"name": LEDGER_TOKEN_MOUNT["name"], "projected": {"sources": [{"serviceAccountToken": token}]}}


def _container(
    model: MarketingModel, revision: ModelRevision, defaults: Defaults, mounts: list[dict[str, Any]]
) -> dict[str, Any]:
    serving = model.spec.serving
    policy = serving.image_pull_policy.value if serving.image_pull_policy else defaults.image_pull_policy
    return {
        "name": names.CONTAINER,
        "image": serving.image or defaults.predictor_image,
        "imagePullPolicy": policy,
        "env": [{"name": key.value, "value": value} for key, value in _settings(model, revision, defaults).items()],
        "ports": [
            {"name": "http", "containerPort": pod.SERVING_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": pod.METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": with_gpus(serving.resources, serving.gpu if serving.triton is None else None),
        "volumeMounts": mounts,
        # a model may take long to fetch; the pod ends itself when it can't be, with the reason
        "startupProbe": _http_get(pod.HEALTH_READY_PATH)
        | {"periodSeconds": 1, "failureThreshold": model.spec.rollout.progress_deadline_seconds},
        "readinessProbe": _http_get(pod.HEALTH_READY_PATH) | {"periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": _http_get(pod.HEALTH_LIVE_PATH) | {"periodSeconds": 10, "failureThreshold": 3},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _settings(model: MarketingModel, revision: ModelRevision, defaults: Defaults) -> dict[pod.Setting, str]:
    settings = {
        pod.Setting.MODEL: model.metadata.name,
        pod.Setting.NAMESPACE: model.metadata.namespace,
        pod.Setting.REVISION: revision.metadata.name,
        pod.Setting.ARTIFACT_URI: revision.spec.artifact.uri,
        pod.Setting.ARTIFACT_DIGEST: revision.spec.artifact.digest,
        pod.Setting.MAX_REQUEST_BYTES: str(model.spec.serving.max_request_bytes),
        pod.Setting.THREADS: str(model.spec.serving.threads),
        pod.Setting.DRAIN_SECONDS: str(POD_DRAIN_SECONDS),
    }
    if model.spec.serving.service:
        settings[pod.Setting.SERVICE] = model.spec.serving.service
    if (cache := model.spec.serving.cache) is not None:
        settings[pod.Setting.PREDICTION_CACHE_TTL_SECONDS] = str(cache.ttl_seconds)
        settings[pod.Setting.PREDICTION_CACHE_MAX_ENTRIES] = str(cache.max_entries)
    if (cost := model.spec.serving.cost) is not None:
        settings[pod.Setting.COST_PER_POD_HOUR] = str(cost.per_pod_hour)
        settings[pod.Setting.COST_CURRENCY] = cost.currency
    if model.spec.serving.triton is not None:
        settings[pod.Setting.TRITON] = triton_settings(model.spec.serving.triton, model.spec.serving.gpu)
    if model.spec.governance is not None and model.spec.governance.explanations:
        settings[pod.Setting.EXPLANATIONS] = "true"
    if model.spec.slo is not None:
        settings[pod.Setting.SLO_P99_MILLISECONDS] = str(model.spec.slo.latency_milliseconds)
    if model.spec.privacy is not None:
        settings[pod.Setting.PRIVACY] = privacy_settings(model.spec.privacy)
    if defaults.ledger_url:
        settings[pod.Setting.LEDGER_URL] = defaults.ledger_url
        settings[pod.Setting.LEDGER_TOKEN_PATH] = pod.LEDGER_TOKEN_PATH
        settings[pod.Setting.SPOOL_PATH] = pod.SPOOL_PATH
        if model.spec.splits_by_pods and model.spec.rollout.analysis is not None:
            settings[pod.Setting.STAMPING] = "pod"
    return settings


def _http_get(path: str) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "http"}, "timeoutSeconds": 2}


def _toleration(toleration: Toleration) -> dict[str, Any]:
    return toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
