"""A release from its installation to its end: CRDs follow the chart, models outlive it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane, helm
from tests.api.helm.installation import eventually, install, operator_process
from tests.support import chart, samples


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ControlPlane]:
    """A cluster that has never seen Marquee."""
    with ControlPlane(tmp_path / "plane") as plane:
        yield plane


def test_models_outlive_the_release(cluster: ControlPlane) -> None:
    """Uninstalling removes the operator and leaves kinds and models; installing again takes them up."""
    notes = install(cluster, {})
    for command in ("rollout status deployment/marquee", "kubectl apply -f", "kubectl get marketingmodels"):
        assert command in notes
    apply(cluster, samples.model("churn", revision="churn-1"))

    helm.run(cluster.kubeconfig, ["uninstall", chart.RELEASE, "--namespace", chart.NAMESPACE])
    assert names(cluster, "deployment,clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/part-of=marquee") == []
    assert names(cluster, "marketingmodel") == ["churn"]

    assert "STATUS: deployed" in install(cluster, {})
    assert names(cluster, "deployment", "-n", chart.NAMESPACE) == [chart.RELEASE]
    assert names(cluster, "marketingmodel") == ["churn"]


def test_keys_are_made_once(cluster: ControlPlane) -> None:
    """Neither an upgrade nor another installation makes other ones: it would be another log, by another author."""
    install(cluster, {})
    before = keys(cluster)
    assert len({tuple(data.items()) for data in before.values()}) == len(before) == 3
    install(cluster, {"operator": {"workers": 3}})
    assert keys(cluster) == before
    helm.run(cluster.kubeconfig, ["uninstall", chart.RELEASE, "--namespace", chart.NAMESPACE])
    install(cluster, {})
    assert keys(cluster) == before


def test_upgrade_brings_new_fields_and_writes_nothing_else(cluster: ControlPlane, tmp_path: Path) -> None:
    """A CRD that changed in the chart changes in the cluster; what did not change is not written."""
    install(cluster, {})
    before = versions(cluster)
    install(cluster, {})
    assert versions(cluster) == before

    install(cluster, {}, source=chart_with_new_field(tmp_path))
    changed = {name for name, version in versions(cluster).items() if before[name] != version}
    assert changed == {"CustomResourceDefinition/marketingmodels.marquee.dev"}
    model = samples.model("churn", revision="churn-1")
    model["spec"]["campaign"] = "spring"
    eventually("the new field is known", lambda: stored_campaign(cluster, model) == "spring")


def test_upgrade_restarts_no_model_pod(cluster: ControlPlane, tmp_path: Path) -> None:
    """A new default image of predictors is for revisions to come: a Deployment that exists is not touched."""
    install(cluster, {})
    apply(cluster, samples.revision("churn-1", of="churn"), samples.model("churn", revision="churn-1"))
    with operator_process(cluster, tmp_path, "before"):
        eventually("the first revision is deployed", lambda: deployment(cluster, "churn-1") is not None)
    old = deployment(cluster, "churn-1")

    install(cluster, {"predictor": {"image": {"tag": "next"}}, "operator": {"workers": 3}})
    with operator_process(cluster, tmp_path, "after"):
        apply(cluster, samples.revision("churn-2", of="churn"), samples.model("churn", revision="churn-2"))
        eventually("the second revision is deployed", lambda: deployment(cluster, "churn-2") is not None)
    assert old is not None
    assert image_of(old) == "marquee/predictor:0.1.0"
    assert deployment(cluster, "churn-1") == old
    assert image_of(deployment(cluster, "churn-2") or {}) == "marquee/predictor:next"


def test_second_installation_needs_the_shared_objects_switched_off(cluster: ControlPlane) -> None:
    """Two operators with namespaces of their own live in one cluster; only one of them brings CRDs and user roles."""
    for namespace in ("growth", "retention"):
        cluster.kubectl("create", "namespace", namespace)
    install(cluster, {"watchNamespaces": ["growth"]}, namespace="first")
    shared = {"crds": {"install": False}, "rbac": {"userRoles": False}, "governance": {"admissionPolicies": False}}
    install(cluster, {"watchNamespaces": ["retention"]} | shared, namespace="second")
    for namespace in ("first", "second"):
        assert names(cluster, "deployment", "-n", namespace) == [chart.RELEASE]
    notes = install(
        cluster, {"watchNamespaces": ["retention"], "monitoring": {"enabled": True}} | shared, namespace="second"
    )
    assert "works in the namespaces retention." in notes
    assert "monitoring.enabled has no effect" in notes
    assert "crds.install is off" in notes


def apply(cluster: ControlPlane, *manifests: dict[str, Any]) -> None:
    """Apply as a person does."""
    cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(manifests))


def names(cluster: ControlPlane, *query: str) -> list[str]:
    """Names of the objects that `kubectl get` finds."""
    return cluster.kubectl("get", *query, "-o", "jsonpath={.items[*].metadata.name}").split()


def keys(cluster: ControlPlane) -> dict[str, dict[str, str]]:
    """The content of the release's Secrets: of prediction ids, of the audit log and of its author."""
    query = ("get", "secret", "-n", chart.NAMESPACE, "-l", "app.kubernetes.io/part-of=marquee", "-o", "json")
    return {body["metadata"]["name"]: body["data"] for body in json.loads(cluster.kubectl(*query))["items"]}


def versions(cluster: ControlPlane) -> dict[str, str]:
    """The resourceVersion of everything that the release has made."""
    kinds = (
        "customresourcedefinition,clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,deployment,service,pdb"
    )
    query = ("get", kinds, "--all-namespaces", "-l", "app.kubernetes.io/part-of=marquee", "-o", "json")
    found = json.loads(cluster.kubectl(*query))["items"]
    return {f"{body['kind']}/{body['metadata']['name']}": body["metadata"]["resourceVersion"] for body in found}


def chart_with_new_field(folder: Path) -> Path:
    """A copy of the chart whose MarketingModel has one field more."""
    copy = folder / "marquee"
    shutil.copytree(chart.CHART, copy)
    file = copy / "files" / "crds" / "marketingmodels.yaml"
    crd = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    (version,) = crd["spec"]["versions"]
    version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["campaign"] = {"type": "string"}
    file.write_text("# changed\n" + yaml.safe_dump(crd, sort_keys=False))
    return copy


def stored_campaign(cluster: ControlPlane, model: dict[str, Any]) -> str:
    """Apply the model without strict validation, and what is then stored in its new field."""
    cluster.kubectl("apply", "--server-side", "--validate=ignore", "-f", "-", input=yaml.safe_dump(model))
    return cluster.kubectl("get", "marketingmodel", model["metadata"]["name"], "-o", "jsonpath={.spec.campaign}")


def deployment(cluster: ControlPlane, name: str) -> dict[str, Any] | None:
    """A predictor's Deployment, if there is one."""
    text = cluster.kubectl("get", "deployment", name, "--ignore-not-found", "-o", "json")
    return json.loads(text) if text else None


def image_of(body: dict[str, Any]) -> str:
    """The image of a Deployment's first container."""
    return str(body["spec"]["template"]["spec"]["containers"][0]["image"])
