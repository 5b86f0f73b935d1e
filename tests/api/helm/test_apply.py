"""Everything that the chart renders is accepted by a real API server, down to the last field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
import yaml

from localcluster import ControlPlane
from tests.support import chart
from tests.support.apiserver import ApiServer
from tests.unit.helm.test_chart import VARIANTS

RESTRICTED: Final = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture(scope="module")
def namespaces(server: ApiServer) -> str:
    """The namespaces that the rendered objects lie in; the release's admits only restricted pods."""
    for name, labels in ((chart.NAMESPACE, RESTRICTED), ("growth", {}), ("retention", {})):
        answer = server.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        assert answer.accepted, answer.message
    return chart.NAMESPACE


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.usefixtures("namespaces")
def test_server_accepts_what_is_rendered(plane: ControlPlane, values: dict[str, Any]) -> None:
    """No unknown field, no value out of range, no namespace left out."""
    rendered = chart.render(values)
    said = plane.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-",
        input=yaml.safe_dump_all(rendered),
    )  # fmt: skip
    assert said.count("(server dry run)") == len(rendered)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_pod_passes_the_level_restricted(server: ApiServer, namespaces: str, values: dict[str, Any]) -> None:
    """Pod Security admits the pods of the operator and the ledger at the strictest level."""
    pods = f"/api/v1/namespaces/{namespaces}/pods"
    account = {"metadata": {"name": "default"}}
    server.create(f"/api/v1/namespaces/{namespaces}/serviceaccounts", account)
    for pod in pods_of(chart.render(values)):
        answer = server.create(pods, pod, dry_run=True)
        assert answer.accepted, answer.message
        pod["spec"]["containers"][0]["securityContext"] = {}
        assert "violates PodSecurity" in server.create(pods, pod, dry_run=True).message


def pods_of(rendered: Sequence[chart.Manifest]) -> list[chart.Manifest]:
    """Pods as the Deployments and the StatefulSets would make them, of the namespace's default account: the operator's,
    the ledger's, and the audit log's where the ledger has replicas.
    """
    templates = [body["spec"]["template"] for body in chart.of_kind(rendered, "Deployment", "StatefulSet")]
    assert len(templates) in {2, 3}
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    made = []
    for number, template in enumerate(templates):
        spec = template["spec"] | {"serviceAccountName": "default"}
        mounted = {mount["name"] for mount in spec["containers"][0].get("volumeMounts", ())}
        if "data" in mounted - {volume["name"] for volume in spec["volumes"]}:
            spec["volumes"] = [*spec["volumes"], claim]
        metadata = template["metadata"] | {"name": f"pod-{number}"}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return made
