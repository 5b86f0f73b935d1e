"""ServiceAccounts and their tokens on a real API server, as the chart and the kubelet give them to the ledger's pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from localcluster import ControlPlane
from tests.support import chart
from tests.support.apiserver import ApiServer

LEDGER: Final = "marquee-ledger"


def make_account(server: ApiServer, namespace: str, name: str) -> None:
    """A ServiceAccount."""
    answer = server.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    assert answer.accepted, answer.message


def token_of(server: ApiServer, namespace: str, name: str, *audiences: str) -> str:
    """A token as the kubelet projects it into a pod."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    answer = server.create(path, {"spec": {"audiences": list(audiences), "expirationSeconds": 600}})
    assert answer.accepted, answer.message
    return str(answer.body["status"]["token"])


def install_ledger_account(server: ApiServer, namespace: str, values: dict[str, Any] | None = None) -> None:
    """The ledger's account in a namespace, with the chart's permissions and no other right."""
    make_account(server, namespace, LEDGER)
    rendered = chart.of_part(chart.render(values, namespace=namespace), "ledger")
    for body in chart.of_kind(rendered, "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"):
        within = f"/namespaces/{body['metadata']['namespace']}" if "namespace" in body["metadata"] else ""
        plural = body["kind"].lower() + "s"
        path = f"/apis/rbac.authorization.k8s.io/v1{within}/{plural}/{body['metadata']['name']}"
        answer = server.apply(path, body)
        assert answer.accepted, answer.message


def as_in_a_pod(plane: ControlPlane, folder: Path, token: str) -> dict[str, str]:
    """The service account's folder, and the variables that the kubelet sets."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes(plane.ca_file.read_bytes())
    (folder / "token").write_text(token, encoding="ascii")
    address = urlsplit(plane.server)
    return {"KUBERNETES_SERVICE_HOST": str(address.hostname), "KUBERNETES_SERVICE_PORT": str(address.port)}
