"""What the operator renders, on a real API server: accepted, admitted under `restricted`, and stable once stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.control.decide.syncing import is_in_sync
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from marquee.control.observe import transforms
from marquee.control.render import children, deployment, names, scaling
from marquee.control.render.retraining import RunOrder, job, read_order
from marquee.control.snapshot import Defaults, Trainer
from tests.support import retraining, samples
from tests.support.apiserver import Answer, ApiServer

SPECS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "full": {
        "serving": {
            "service": "bentos.churn:Churn",
            "image": "registry.example.com/own:1",
            "imagePullPolicy": "Always",
            "resources": {
                "requests": {"cpu": "1000m", "memory": "1024Mi", "ephemeral-storage": "0.5Gi"},
                "limits": {"cpu": 2, "memory": "2e9", "example.com/gpu": "1"},
            },
            "threads": 2,
            "maxRequestBytes": 2048,
            "nodeSelector": {"pool": "gpu", "empty": ""},
            "tolerations": [
                {"operator": "Exists"},
                {"key": "spot", "value": "true", "effect": "NoSchedule"},
                {"key": "other", "operator": "Exists", "effect": "NoExecute"},
            ],
        },
        "scaling": {"class": "HPA", "minReplicas": 2, "maxReplicas": 4, "cpuUtilizationPercent": 60},
        "rollout": {"progressDeadlineSeconds": 120, "drainSeconds": 0},
    },
    "quantities in other words": {
        "serving": {"resources": {"requests": {"cpu": "0.5", "memory": "1048576Ki"}, "limits": {"memory": 1073741824}}},
    },
    "GPUs": {"serving": {"gpu": {"resource": "nvidia.com/gpu", "count": 2}, "triton": {}}},
    "slice": {"serving": {"gpu": {"resource": "nvidia.com/mig-1g.10gb"}, "resources": {}}},
    "claim": {"serving": {"gpu": {"resourceClaimTemplateName": "one-gpu"}}},
    "no resources": {"serving": {"resources": {}}},
    "privacy": {
        "privacy": {
            "consent": {"purposes": ["profiling"], "proof": "Token", "keysSecret": "purpose-keys"},
            "withheldAnswer": {"probability": 0.06},
        }
    },
}
URIS = ["s3://models/churn/1", "pvc://claim/churn/1"]
DEFAULTS = Defaults(
    predictor_image="registry.example.com/predictor:1",
    image_pull_secrets=("pull",),
    triton_image="registry.example.com/triton:1",
)


@pytest.fixture(params=[(spec, uri) for spec in SPECS for uri in URIS], ids=" ".join)
def rendered(request: pytest.FixtureRequest, namespace: str) -> list[tuple[Kind, dict[str, Any]]]:
    """Every child of a model, in the operator's order."""
    spec, uri = request.param
    return list(_children(namespace, uri, SPECS[spec]))


def _children(namespace: str, uri: str, spec: dict[str, Any]) -> Iterator[tuple[Kind, dict[str, Any]]]:
    body = samples.model("churn", revision="churn-1", namespace=namespace, **spec)
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    model = MarketingModel.model_validate(body)
    revision = ModelRevision.model_validate(samples.revision("churn-1", of="churn", namespace=namespace, uri=uri))
    annotations = {names.ANNOTATION_SWITCHED_AT: "2024-11-22T12:00:00.000+00:00"}
    yield SERVICE_ACCOUNT, children.service_account(model)
    yield NETWORK_POLICY, children.network_policy(model)
    yield POD_DISRUPTION_BUDGET, children.pod_disruption_budget(model)
    yield DEPLOYMENT, deployment.deployment(model, revision, DEFAULTS)
    yield SERVICE, children.service(model, revision="churn-1", annotations=annotations)
    if (autoscaler := scaling.horizontal_pod_autoscaler(model, revision="churn-1")) is not None:
        yield HORIZONTAL_POD_AUTOSCALER, autoscaler


def _apply(server: ApiServer, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
    metadata = manifest["metadata"]
    answer = server.apply(kind.object_path(metadata["namespace"], metadata["name"]), manifest)
    assert answer.accepted, answer.message
    return answer.body


def test_what_is_stored_says_what_was_applied(server: ApiServer, rendered: list[tuple[Kind, dict[str, Any]]]) -> None:
    """With all that a real server adds and rewords, each child is in sync: it is never written twice."""
    for kind, manifest in rendered:
        stored = transforms.child(kind, _apply(server, kind, manifest))
        assert is_in_sync(manifest, stored.manifest()), kind


def test_applying_again_changes_nothing(server: ApiServer, rendered: list[tuple[Kind, dict[str, Any]]]) -> None:
    """A replayed write, as after a crash, leaves the version as it is."""
    for kind, manifest in rendered:
        first = _apply(server, kind, manifest)["metadata"]
        again = _apply(server, kind, manifest)["metadata"]
        assert again["resourceVersion"] == first["resourceVersion"], kind
        assert again["uid"] == first["uid"]


def test_a_change_by_somebody_else_is_noticed(server: ApiServer, rendered: list[tuple[Kind, dict[str, Any]]]) -> None:
    """An edit of a field of ours in the stored object is out of sync, and an addition is not."""
    for kind, manifest in rendered:
        stored = _apply(server, kind, manifest)
        path = kind.object_path(stored["metadata"]["namespace"], stored["metadata"]["name"])
        for label, in_sync in (("example.com/mine", True), (names.LABEL_TEAM, False)):
            patch = {"metadata": {"labels": {label: "somebody"}}}
            answer = server.send("PATCH", path, patch, content_type="application/merge-patch+json")
            assert answer.accepted, answer.message
            assert is_in_sync(manifest, transforms.child(kind, answer.body).manifest()) is in_sync, kind


def test_an_apply_does_not_reset_the_replicas(server: ApiServer, rendered: list[tuple[Kind, dict[str, Any]]]) -> None:
    """The number of pods is written through the scale subresource, and stays."""
    kind, manifest = next(found for found in rendered if found[0] == DEPLOYMENT)
    stored = _apply(server, kind, manifest)
    path = kind.object_path(stored["metadata"]["namespace"], stored["metadata"]["name"])
    scaled = server.send(
        "PATCH", f"{path}/scale", {"spec": {"replicas": 5}}, content_type="application/merge-patch+json"
    )
    assert scaled.accepted, scaled.message
    manifest["metadata"]["labels"]["example.com/changed"] = "yes"
    assert _apply(server, kind, manifest)["spec"]["replicas"] == 5


def _create_pod(server: ApiServer, namespace: str, template: dict[str, Any]) -> Answer:
    body = {"metadata": {"name": "probe", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    return server.create(f"/api/v1/namespaces/{namespace}/pods", body, dry_run=True)


@pytest.fixture
def restricted(server: ApiServer, namespace: str) -> str:
    """The namespace, enforcing the Pod Security Standard `restricted`."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    answer = server.send(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        {"metadata": {"labels": labels}},
        content_type="application/merge-patch+json",
    )
    assert answer.accepted, answer.message
    return namespace


def test_pods_are_admitted_under_restricted(
    server: ApiServer, restricted: str, rendered: list[tuple[Kind, dict[str, Any]]]
) -> None:
    """A Pod made from the template passes real admission in a namespace that enforces `restricted`."""
    manifests = dict(rendered)
    _apply(server, SERVICE_ACCOUNT, manifests[SERVICE_ACCOUNT])
    admitted = _create_pod(server, restricted, manifests[DEPLOYMENT]["spec"]["template"])
    assert admitted.accepted, admitted.message


def test_that_namespace_refuses_other_pods(server: ApiServer, restricted: str) -> None:
    """The admission that the test above passes does refuse."""
    manifests = dict(_children(restricted, "s3://models/churn/1", {}))
    _apply(server, SERVICE_ACCOUNT, manifests[SERVICE_ACCOUNT])
    template = manifests[DEPLOYMENT]["spec"]["template"]
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = _create_pod(server, restricted, template)
    assert refused.status == 403
    assert 'violates PodSecurity "restricted:latest"' in refused.message


def test_trainers_are_admitted_under_restricted(server: ApiServer, restricted: str) -> None:
    """The Job of a retraining is stored as it is, and a Pod made from its template passes the same admission."""
    body = samples.model("churn", revision="churn-1", namespace=restricted, retraining=retraining.SPEC)
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    model = MarketingModel.model_validate(body)
    spec = model.spec.retraining
    assert spec is not None
    champion = ModelRevision.model_validate(
        samples.revision("churn-1", of="churn", namespace=restricted, uri="pvc://claim/churn/1")
    )
    order = RunOrder("churn-a", "Manual", "a1", "in words", 7, "s3://models/lead/churn-a", champions=("churn-1",))
    manifest = job(model, spec, order, [champion], Trainer("registry.example.com/trainer:1", "Always", ("pull",)))
    stored = server.create(JOB.collection_path(restricted), manifest)
    assert stored.accepted, stored.message
    assert read_order(transforms.job(JOB, stored.body).child.annotations[names.ANNOTATION_ORDER]) == order
    _apply(server, SERVICE_ACCOUNT, children.service_account(model))
    admitted = _create_pod(server, restricted, manifest["spec"]["template"])
    assert admitted.accepted, admitted.message
