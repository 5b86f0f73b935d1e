"""Marquee installed by Helm on a simulated cluster, with operator processes that run as its ServiceAccount."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from localcluster import ControlPlane, helm
from tests.support import chart
from tests.support.operator import OperatorProcess

_REPLACED: Final = frozenset({"POD_NAME", "POD_NAMESPACE", "HTTP_PORT", "AUDIT_KEY_PATH", "AUDIT_URL"})
"""What is another's in a process of its own. No ledger runs here, and without one nothing may be entered before it is
done: the operator's hand in the audit log is tried with a real one in tests/crash."""


def install(
    plane: ControlPlane, values: Mapping[str, Any], *, namespace: str = chart.NAMESPACE, source: Path = chart.CHART
) -> str:
    """`helm upgrade --install`, and what it says."""
    argv = ["upgrade", "--install", chart.RELEASE, str(source), "--namespace", namespace, "--create-namespace"]
    return helm.run(plane.kubeconfig, [*argv, "--values", "-"], input=json.dumps(values))


def account_kubeconfig(plane: ControlPlane, namespace: str, path: Path) -> Path:
    """A kubeconfig whose user is the operator's ServiceAccount, by a token as a pod gets it."""
    token = plane.kubectl("create", "token", chart.RELEASE, "--namespace", namespace, "--duration", "1h").strip()
    cluster = {"server": plane.server, "certificate-authority": str(plane.ca_file)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "plane", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "plane", "user": "operator"}}],
        "current-context": "operator",
    }
    path.write_text(json.dumps(content))
    return path


def operator_process(
    plane: ControlPlane, workdir: Path, name: str, *, namespace: str = chart.NAMESPACE
) -> OperatorProcess:
    """A replica with the settings that the installed Deployment gives it; not started yet."""
    deployment = json.loads(plane.kubectl("get", "deployment", chart.RELEASE, "-n", namespace, "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = {entry["name"].removeprefix("MARQUEE_OPERATOR_"): entry.get("value", "") for entry in container["env"]}
    settings = {key.lower(): value for key, value in given.items() if key not in _REPLACED}
    kubeconfig = account_kubeconfig(plane, namespace, workdir / f"{name}.kubeconfig")
    return OperatorProcess(kubeconfig, workdir / f"{name}.log", pod_name=name, pod_namespace=namespace, **settings)


def eventually(what: str, holds: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not in time.

    """
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_seconds:g} s: {what}"
        time.sleep(0.1)
