"""Puts Kubeflow Trainer into a running cluster: kinds, both controller managers and their webhooks.

Each makes the certificate of its webhooks itself, as a Secret that it then finds in a volume. A kubelet looks at a
volume's Secret once a minute: pods that start when the Secret is filled need not wait for it.
"""

import json
from pathlib import Path

from localcluster import addons, machine
from localcluster.addons import Kubectl
from localcluster.paths import PACKAGE, Layout
from localcluster.runtime import Runtime
from localcluster.stages import Stages
from localcluster.trainer.building import images
from localcluster.waiting import wait_until

MANAGERS = {
    "kubeflow-system": ("kubeflow-trainer-controller-manager", "kubeflow-trainer-webhook-cert"),
    "jobset-system": ("jobset-controller-manager", "jobset-webhook-server-cert"),
}
"""By namespace: the Deployment, and the Secret of its certificate."""
_APPLY = ("apply", "--server-side", "--force-conflicts", "-f", "-")
_TIMEOUT_SECONDS = 120.0


def install(layout: Layout, kubectl: Kubectl, programs: Path, stages: Stages) -> None:
    """Create or update Kubeflow Trainer in a full cluster; returns when it takes TrainJobs.

    Raises:
        StartFailed: it did not in time.

    """
    new = addons.load_images(Runtime(layout), images(programs), machine.snapshotter(layout))
    stages.say(f"trainer: {len(new)} images loaded")
    kinds = (programs / "crds.yaml").read_text()
    kubectl(*_APPLY, input=kinds)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", "-", input=kinds)
    kubectl(*_APPLY, input=manifest(programs))
    for namespace, (deployment, secret) in MANAGERS.items():
        certify(kubectl, namespace, deployment, secret)
    for namespace, (deployment, _) in MANAGERS.items():
        kubectl("rollout", "status", f"deployment/{deployment}", "-n", namespace, "--timeout=180s")
    stages.say("trainer: ready")


def manifest(programs: Path) -> str:
    """Objects of both for this build, with roles and webhooks as their modules publish them."""
    text = (PACKAGE / "addons" / "trainer.yaml").read_text()
    for image in images(programs):
        text = text.replace(f"{image.name.rpartition(':')[0]}:BUILD", image.name)
    return "\n---\n".join([text, (programs / "published.yaml").read_text()])


def certify(kubectl: Kubectl, namespace: str, deployment: str, secret: str) -> None:
    """Wait for the certificate, and start those pods anew that have not seen it."""

    def read(what: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(kubectl("get", what, "-n", namespace, "-o", "json"))
        return found

    wait_until(f"the certificate of {deployment}", lambda: bool(read(f"secret/{secret}").get("data")), _TIMEOUT_SECONDS)
    status = read(f"deployment/{deployment}").get("status")
    if not (isinstance(status, dict) and status.get("readyReplicas")):
        kubectl("rollout", "restart", f"deployment/{deployment}", "-n", namespace)
