"""Puts KEDA into a running cluster: kinds, operator and metrics adapter; without the webhooks, which only warn earlier.

The operator makes the certificates of its connection to the adapter itself, and writes the adapter's into the
APIService; the adapter starts once they are there.
"""

from pathlib import Path
from typing import Any

from localcluster import addons, apiclient, machine
from localcluster.addons import Kubectl
from localcluster.errors import CommandFailed
from localcluster.keda.building import images
from localcluster.paths import PACKAGE, Layout
from localcluster.runtime import Runtime
from localcluster.stages import Stages
from localcluster.waiting import wait_until

NAMESPACE = "keda"
_APPLY = ("apply", "--server-side", "--force-conflicts", "-f", "-")
_TIMEOUT_SECONDS = 120.0
_API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.external.metrics.k8s.io"


def install(layout: Layout, kubectl: Kubectl, programs: Path, stages: Stages) -> None:
    """Create or update KEDA in a full cluster; returns when autoscalers can read its metrics.

    Raises:
        StartFailed: they could not in time.

    """
    new = addons.load_images(Runtime(layout), images(programs), machine.snapshotter(layout))
    stages.say(f"keda: {len(new)} images loaded")
    kinds = (programs / "crds.yaml").read_text()
    kubectl(*_APPLY, input=kinds)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", "-", input=kinds)
    kubectl(*_APPLY, input=manifest(programs))
    for name in ("keda-operator", "keda-metrics-apiserver"):
        kubectl("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, "--timeout=180s")
    wait_until("KEDA's metrics", lambda: is_available(_api_service(layout)), _TIMEOUT_SECONDS)
    stages.say("keda: ready")


def manifest(programs: Path) -> str:
    """Objects of operator and adapter for this build, with the operator's role as KEDA publishes it."""
    text = (PACKAGE / "addons" / "keda.yaml").read_text()
    for image in images(programs):
        text = text.replace(f"{image.name.rpartition(':')[0]}:BUILD", image.name)
    return "\n---\n".join([text, (programs / "role.yaml").read_text()])


def is_available(api_service: dict[str, Any]) -> bool:
    """Whether the API server reaches the adapter."""
    return any(
        condition["type"] == "Available" and condition["status"] == "True"
        for condition in api_service.get("status", {}).get("conditions", [])
    )


def _api_service(layout: Layout) -> dict[str, Any]:
    try:
        return apiclient.get(layout, _API_SERVICE)
    except CommandFailed:
        return {}
