"""Puts the gateway into a running cluster: kinds, certificates, controller, and one Gateway that answers."""

import hashlib
import json
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from localcluster import addons, apiclient, machine
from localcluster.addons import Kubectl
from localcluster.commands import run
from localcluster.errors import CommandFailed
from localcluster.gateway.building import images
from localcluster.kubectl import environment
from localcluster.paths import PACKAGE, Layout
from localcluster.runtime import Runtime
from localcluster.settings import GATEWAY_PORT
from localcluster.stages import Stages
from localcluster.waiting import wait_until

CONTROLLER_NAMESPACE = "envoy-gateway-system"
READY_PATH = "/.gateway/readyz"
_INSTALLED = "marquee.dev/installed"
_APPLY = ("apply", "--server-side", "--force-conflicts", "-f", "-")
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Gateway:
    """A Gateway that HTTPRoutes of every namespace may name as their parent."""

    name: str = "marquee"
    namespace: str = "marquee-gateway"
    class_name: str = "marquee"
    listener: str = "http"
    url: str = f"http://127.0.0.1:{GATEWAY_PORT}"
    """Where it answers on this machine; 404 to what no route matches."""

    @property
    def parent_ref(self) -> dict[str, str]:
        """Entry for a route's `spec.parentRefs`."""
        return {"name": self.name, "namespace": self.namespace}


def install(layout: Layout, kubectl: Kubectl, programs: Path, stages: Stages) -> Gateway:
    """Create or update the gateway in a full cluster; returns when it answers, at once when nothing changed.

    Raises:
        StartFailed: it did not answer in time.

    """
    gateway = Gateway()
    new = addons.load_images(Runtime(layout), images(programs), machine.snapshotter(layout))
    stages.say(f"gateway: {len(new)} images loaded")
    kinds, objects = (programs / "crds.yaml").read_text(), manifest(programs)
    wanted = hashlib.sha256(f"{kinds}{objects}".encode()).hexdigest()[:12]
    if _installed(layout) != wanted:
        kubectl(*_APPLY, input="\n---\n".join([kinds, *map(_namespace, (CONTROLLER_NAMESPACE, gateway.namespace))]))
        _make_certificates(layout, programs)
        kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", "-", input=kinds)
        kubectl(*_APPLY, input="\n---\n".join([objects, _namespace(CONTROLLER_NAMESPACE, installed=wanted)]))
        kubectl("rollout", "status", "deployment/envoy-gateway", "-n", CONTROLLER_NAMESPACE, "--timeout=120s")
        stages.say("gateway: applied, controller ready")
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{gateway.namespace}/gateways/{gateway.name}"
    wait_until("the Gateway", lambda: is_programmed(apiclient.get(layout, path)), _TIMEOUT_SECONDS)
    wait_until(gateway.url, lambda: _answers(f"{gateway.url}{READY_PATH}"), _TIMEOUT_SECONDS)
    stages.say(f"gateway: answers at {gateway.url}")
    return gateway


def manifest(programs: Path) -> str:
    """Objects of controller and Gateway for this build."""
    text = (PACKAGE / "addons" / "gateway.yaml").read_text()
    for image in images(programs):
        text = text.replace(f"{image.name.rpartition(':')[0]}:BUILD", image.name)
    return text.replace("CONFIGURATION", hashlib.sha256(text.encode()).hexdigest()[:12])


def is_programmed(gateway: dict[str, Any]) -> bool:
    """Whether the controller says that the data plane serves this generation of a Gateway."""
    return any(
        condition["type"] == "Programmed"
        and condition["status"] == "True"
        and condition["observedGeneration"] == gateway["metadata"]["generation"]
        for condition in gateway.get("status", {}).get("conditions", [])
    )


def _namespace(name: str, *, installed: str = "") -> str:
    annotations = {_INSTALLED: installed} if installed else {}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": annotations}})


def _installed(layout: Layout) -> str | None:
    """Hash of the objects that were applied completely; None when that never happened."""
    try:
        metadata = apiclient.get(layout, f"/api/v1/namespaces/{CONTROLLER_NAMESPACE}")["metadata"]
    except CommandFailed:
        return None
    found: str | None = metadata.get("annotations", {}).get(_INSTALLED)
    return found


def _make_certificates(layout: Layout, programs: Path) -> None:
    """Secrets for the connection between controller and Envoys; those of an earlier time stay."""
    variables = {**environment(layout.kubeconfig), "ENVOY_GATEWAY_NAMESPACE": CONTROLLER_NAMESPACE}
    run([programs / "envoy-gateway", "certgen", "--disable-topology-injector"], env=variables)


def _answers(url: str) -> bool:
    # Proxies of the environment are for the outside world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
