"""Where artifacts and training data live on the cluster: claims that Jobs write and predictors read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from demo.target import Target

ARTIFACTS: Final = "models"
TRAINING_DATA: Final = "training-data"
POD_USER: Final = 65532


def claims(target: Target, namespace: str, data: Path) -> list[dict[str, Any]]:
    """Claims for artifacts and training data.

    The local cluster has no storage class: there, each claim is bound to a folder of this machine. Elsewhere the
    cluster's default storage class gives the volume, and trainers fetch their data themselves.
    """
    if target.local is None:
        return [_claim(ARTIFACTS, namespace, volume=None), _claim(TRAINING_DATA, namespace, volume=None)]
    artifacts = target.local.layout.data / "volumes" / namespace / ARTIFACTS
    artifacts.mkdir(parents=True, exist_ok=True)
    os.chown(artifacts, POD_USER, POD_USER)
    bound = []
    for name, folder in ((ARTIFACTS, artifacts), (TRAINING_DATA, data)):
        volume = f"{namespace}-{name}"
        bound += [_volume(volume, namespace, name, folder), _claim(name, namespace, volume=volume)]
    return bound


def _claim(name: str, namespace: str, *, volume: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if volume is not None:
        spec |= {"storageClassName": "", "volumeName": volume}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _volume(name: str, namespace: str, claim: str, folder: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": claim},
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
