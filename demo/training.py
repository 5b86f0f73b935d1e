"""Trains a model as a Job on the cluster, and reads from its termination message what it made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from demo.errors import DemoError
from demo.target import Target, wait_for
from demo.volumes import ARTIFACTS, POD_USER, TRAINING_DATA

TRAINING_SECONDS: Final = 900
ARTIFACTS_PATH: Final = f"/mnt/artifacts/{ARTIFACTS}"
DATA_PATH: Final = "/mnt/data"


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run left behind."""

    uri: str
    digest: str
    metrics: dict[str, float]


def train(
    target: Target, *, use_case: str, revision: str, namespace: str, image: str, seed: int, cpu: str = "500m"
) -> Trained:
    """Run the Job to its end; ``cpu`` is what it asks for, and its weight beside other pods.

    Raises:
        DemoError: the Job failed, with the last lines of its log.

    """
    folder = f"{use_case}/{revision}"
    name = f"train-{revision}"
    target.kubectl("delete", "job", name, "-n", namespace, "--ignore-not-found", "--wait=true")
    target.apply(_job(name, namespace, image, use_case, folder, seed, cpu))
    wait_for(f"training of {revision}", lambda: _ended(target, name, namespace), timeout_seconds=TRAINING_SECONDS)
    pods = target.list("pods", namespace, f"job-name={name}")
    ended = [pod["status"]["containerStatuses"][0]["state"].get("terminated") for pod in pods]
    told = next((state["message"] for state in ended if state and state["exitCode"] == 0), None)
    if told is None:
        log = target.kubectl("logs", f"job/{name}", "-n", namespace, "--tail=20")
        raise DemoError(f"training of {revision} failed; its last words:\n{log}")
    result = json.loads(told)
    return Trained(uri=f"pvc://{ARTIFACTS}/{folder}", digest=result["digest"], metrics=result["metrics"])


def _ended(target: Target, name: str, namespace: str) -> bool | None:
    job = target.get("job", name, namespace) or {}
    status = job.get("status", {})
    return True if status.get("succeeded") or status.get("failed") else None


def _job(name: str, namespace: str, image: str, use_case: str, folder: str, seed: int, cpu: str) -> dict[str, Any]:
    container = {
        "name": "trainer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "train", use_case, "--out", f"{ARTIFACTS_PATH}/{folder}", "--seed", str(seed), "--data-cache", DATA_PATH,
        ],
        "resources": {"requests": {"cpu": cpu, "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "volumeMounts": [
            {"name": "artifacts", "mountPath": ARTIFACTS_PATH},
            {"name": "data", "mountPath": DATA_PATH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": POD_USER,
            "runAsGroup": POD_USER,
            "fsGroup": POD_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "artifacts", "persistentVolumeClaim": {"claimName": ARTIFACTS}},
            {"name": "data", "persistentVolumeClaim": {"claimName": TRAINING_DATA}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": {"marquee.dev/use-case": use_case}},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": TRAINING_SECONDS,
            "template": {"metadata": {"labels": {"app": "marquee-trainer"}}, "spec": pod},
        },
    }
