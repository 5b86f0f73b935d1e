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
    """Pod Security admits the operator's pod at the strictest level."""
    pod = pod_of(chart.render(values | {"serviceAccount": {"create": False, "name": "default"}}))
    pods = f"/api/v1/namespaces/{namespaces}/pods"
    account = {"metadata": {"name": "default"}}
    server.create(f"/api/v1/namespaces/{namespaces}/serviceaccounts", account)
    answer = server.create(pods, pod, dry_run=True)
    assert answer.accepted, answer.message
    pod["spec"]["containers"][0]["securityContext"] = {}
    assert "violates PodSecurity" in server.create(pods, pod, dry_run=True).message


def pod_of(rendered: Sequence[chart.Manifest]) -> chart.Manifest:
    """A pod as the Deployment would make it."""
    template = chart.the(rendered, "Deployment")["spec"]["template"]
    metadata = template["metadata"] | {"name": "operator"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
