"""The cluster that the demo runs on: the local one, or the one that ``$KUBECONFIG`` names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from demo.errors import DemoError
from localcluster import Cluster, helm, kubectl
from localcluster.errors import CommandFailed
from localcluster.stages import Stages
from localcluster.toolchain import ensure_binaries

T = TypeVar("T")

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster, and the tools to talk to it."""

    kubeconfig: Path
    program: Path
    local: Cluster | None
    """The local cluster, when that is the target."""

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's own name
        """Run kubectl and return what it prints.

        Raises:
            CommandFailed: kubectl said no, with its last lines.

        """
        return kubectl.run(self.program, self.kubeconfig, args, input=input)

    def helm(self, *args: str, values: Mapping[str, Any] | None = None) -> str:
        """Run Helm, with ``values`` on its standard input."""
        extra = ("--values", "-") if values is not None else ()
        return helm.run(self.kubeconfig, [*args, *extra], input=json.dumps(values) if values is not None else None)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Create the objects, or make them so."""
        bundle = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(bundle))

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """One object, or None."""
        found = self.kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
        return json.loads(found) if found.strip() else None

    def list(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """The objects of a namespace, by label selector."""
        items: list[dict[str, Any]] = json.loads(
            self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        )["items"]
        return items


def find_target(stages: Stages) -> Target:
    """``$KUBECONFIG`` when it names another cluster than the local one, else the local one, brought up if need be.

    Raises:
        DemoError: ``$KUBECONFIG`` names a cluster that does not answer.

    """
    named = os.environ.get("KUBECONFIG", "")
    if named and Path(named).resolve() != Cluster().kubeconfig.resolve():
        target = Target(kubeconfig=Path(named), program=ensure_binaries(stages) / "kubernetes", local=None)
        try:
            target.kubectl("get", "--raw", "/readyz")
        except CommandFailed as error:
            raise DemoError(
                f"KUBECONFIG={named}: the cluster does not answer: {error}; unset KUBECONFIG to use the local cluster"
            ) from error
        stages.say(f"cluster: the one of KUBECONFIG={named}")
        return target
    cluster = Cluster.up(stages=stages)
    return Target(kubeconfig=cluster.kubeconfig, program=cluster.program, local=cluster)


def wait_for(
    what: str, poll: Callable[[], T | None], *, timeout_seconds: float, poll_seconds: float = POLL_SECONDS
) -> T:
    """Poll until something is there.

    Raises:
        DemoError: it was not there in time.

    """
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if (found := poll()) is not None:
            return found
        time.sleep(poll_seconds)
    raise DemoError(f"{what}: not within {timeout_seconds:.0f} s")


def wait_until_ready(
    target: Target, model: str, namespace: str, *, timeout_seconds: float = 180, poll_seconds: float = POLL_SECONDS
) -> None:
    """Wait for the model's Ready condition.

    Raises:
        DemoError: it did not come in time; says what the conditions say.

    """

    def ready() -> bool | None:
        found = target.get("marketingmodel", model, namespace) or {}
        conditions = found.get("status", {}).get("conditions", [])
        current = [c for c in conditions if c["observedGeneration"] == found["metadata"]["generation"]]
        return True if any(c["type"] == "Ready" and c["status"] == "True" for c in current) else None

    try:
        wait_for(f"model {model}", ready, timeout_seconds=timeout_seconds, poll_seconds=poll_seconds)
    except DemoError as error:
        described = target.kubectl("describe", "marketingmodel", model, "-n", namespace)
        raise DemoError(f"{error}\n{described}") from None
