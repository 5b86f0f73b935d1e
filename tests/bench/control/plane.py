"""A control plane for one measurement: CRDs, nodes with addresses that answer, an identity for the operator."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from localcluster import ControlPlane
from marquee.api.crds import all_crds
from marquee.control.cluster.access import Access, log_in
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection
from tests.bench.control.auditing import AuditLog
from tests.bench.control.isolation import pod_network_of
from tests.bench.control.predictors import Predictors

_NODES: Final = 12
_ACCOUNT: Final = "marquee-operator"
_USER: Final = f"system:serviceaccount:default:{_ACCOUNT}"


@dataclass(frozen=True)
class Plane:
    """A running control plane with simulated pods."""

    control: ControlPlane
    folder: Path
    people: Client
    """An administrator: who applies models, and who watches for the measurement."""
    operator: Client
    """The operator's identity, for the floor's writes: the API server's fairness treats both alike."""
    operator_kubeconfig: Path
    audit: AuditLog
    predictors: Predictors

    def api_server_cpu_seconds(self) -> float:
        """CPU time of the API server so far."""
        return self.control.cpu_seconds("kube-apiserver")


@asynccontextmanager
async def running_plane() -> AsyncIterator[Plane]:
    """Start everything; on leaving, stop it and delete its data."""
    with tempfile.TemporaryDirectory(prefix="marquee-bench-") as name:
        folder = Path(name)
        control = ControlPlane(folder / "plane", controllers=True, kwok=True, kwok_nodes=_NODES, audit=True)
        try:
            await asyncio.to_thread(control.start)
            async with _prepared(control, folder) as plane:
                yield plane
        finally:
            control.remove()


@asynccontextmanager
async def _prepared(control: ControlPlane, folder: Path) -> AsyncIterator[Plane]:
    await asyncio.to_thread(_install, control)
    operator_kubeconfig = folder / "operator.kubeconfig"
    operator_kubeconfig.write_text(json.dumps(_kubeconfig(control)), encoding="utf-8")
    people = Connection(await _access(control.kubeconfig))
    operator = Connection(await _access(operator_kubeconfig))
    try:
        async with Predictors(people) as predictors:
            yield Plane(
                control=control,
                folder=folder,
                people=Client(people),
                operator=Client(operator),
                operator_kubeconfig=operator_kubeconfig,
                audit=AuditLog(control.audit_log, _USER),
                predictors=predictors,
            )
    finally:
        await people.close()
        await operator.close()


def _install(control: ControlPlane) -> None:
    """CRDs, addresses of the nodes' pods, the operator's account."""
    for crd in all_crds().values():
        control.kubectl("create", "-f", "-", input=json.dumps(crd))
    control.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for number in range(_NODES):
        patch = json.dumps({"spec": {"podCIDR": pod_network_of(number)}})
        control.kubectl("patch", "node", f"fake-{number}", "-p", patch)
    control.kubectl("create", "serviceaccount", _ACCOUNT)
    control.kubectl(
        "create", "clusterrolebinding", _ACCOUNT, "--clusterrole=cluster-admin", f"--serviceaccount=default:{_ACCOUNT}"
    )


def _kubeconfig(control: ControlPlane) -> dict[str, Any]:
    token = control.kubectl("create", "token", _ACCOUNT, "--duration=2h").strip()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [
            {"name": "bench", "cluster": {"server": control.server, "certificate-authority": str(control.ca_file)}}
        ],
        "users": [{"name": "bench", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }


async def _access(kubeconfig: Path) -> Access:
    os.environ["KUBECONFIG"] = str(kubeconfig)
    return await log_in()
