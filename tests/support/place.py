"""A namespace of the local cluster, its artifacts, and what tests and benchmarks do in it."""

from __future__ import annotations

import os
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from demo.story import prepare_namespace
from demo.target import Target
from demo.volumes import ARTIFACTS, POD_USER
from localcluster.stages import Stages
from tests.support import artifacts, samples
from tests.support.artifacts import Written
from tests.support.waiting import wait_for, wait_until_ready

LIGHT: dict[str, Any] = {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "384Mi"}}}
"""Small requests: a test's dozen of pods must fit on a machine with two cores."""
GIVING_WAY: Final = "20m"
"""CPU that a trainer asks for: it gets no more than each of the pods that answer users meanwhile."""


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace, its artifacts, and what tests do in it."""

    target: Target
    namespace: str
    volume: Path

    def artifact(self, name: str, model: str, *, bias: float = 0.0, **changes: Any) -> Written:
        """A linear ONNX artifact at ``pvc://models/NAME``."""
        written = artifacts.linear(self.volume / name, model, bias=bias, **changes)
        self.hand_over(written.folder)
        return written

    def hand_over(self, folder: Path) -> None:
        """Make a folder readable for the pods' user."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, POD_USER, POD_USER)

    def apply_revision(self, name: str, model: str, digest: str, **labels: str) -> None:
        """A ModelRevision of the artifact of the same name."""
        body = samples.revision(
            name, of=model, namespace=self.namespace, digest=digest, uri=f"pvc://{ARTIFACTS}/{name}"
        )
        body["metadata"]["labels"] = labels
        self.target.apply(body)

    def apply_model(self, name: str, revision: str, **spec: Any) -> None:
        """A MarketingModel that pins a revision."""
        blocks = {"serving": LIGHT} | spec
        self.target.apply(samples.model(name, revision=revision, namespace=self.namespace, **blocks))

    def serve(self, model: str, *, bias: float = 0.0, **spec: Any) -> str:
        """A model whose first revision serves; the revision's name."""
        revision = f"{model}-v1"
        self.apply_revision(revision, model, self.artifact(revision, model, bias=bias).digest)
        self.apply_model(model, revision, **spec)
        wait_until_ready(self.target, model, self.namespace)
        return revision

    def pods(self) -> dict[str, int]:
        """All pods by uid, with the restarts of their containers."""
        return {
            pod["metadata"]["uid"]: sum(c["restartCount"] for c in pod["status"].get("containerStatuses", []))
            for pod in self.target.list("pods", self.namespace)
        }

    def url(self, model: str) -> str:
        """The model's Service by its virtual address, once kube-proxy knows it: this machine is the node."""
        service = self.target.get("service", model, self.namespace)
        assert service is not None
        url = f"http://{service['spec']['clusterIP']}"
        wait_for(f"{url} to answer", lambda: _answers(url), timeout_seconds=30)
        return url

    def wait_for_reason(self, model: str, *reasons: str, timeout_seconds: float = 90) -> dict[str, Any]:
        """Wait until the Ready condition has one of these reasons; returns the condition."""

        def found() -> dict[str, Any] | None:
            conditions = (self.target.get("marketingmodel", model, self.namespace) or {}).get("status", {})
            for condition in conditions.get("conditions", []):
                if condition["type"] == "Ready" and condition["reason"] in reasons:
                    return dict(condition)
            return None

        return wait_for(f"{model}: reason {' or '.join(reasons)}", found, timeout_seconds=timeout_seconds)


def _answers(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=2) as answer:  # noqa: S310 - http to the cluster
            return True if answer.status == HTTPStatus.OK else None
    except OSError:
        return None


@contextmanager
def fresh_place(target: Target, prefix: str) -> Iterator[Place]:
    """A namespace of its own that admits only restricted pods; it goes at the end."""
    namespace = f"{prefix}-{uuid.uuid4().hex[:8]}"
    prepare_namespace(target, namespace, Stages())
    assert target.local is not None
    try:
        yield Place(target, namespace, target.local.layout.data / "volumes" / namespace / ARTIFACTS)
    finally:
        target.kubectl("delete", "namespace", namespace, "--wait=false")
        target.kubectl("delete", "pv", f"{namespace}-models", f"{namespace}-training-data", "--wait=false")
