"""The installed plugin under the real kubectl, each test with a model in a namespace of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import ControlPlane, kubectl
from tests.support.apiserver import ApiServer, collection_of
from tests.support.rollouts import SPEC, status_of
from tests.support.samples import model

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Person:
    """Somebody at a shell: kubectl and the plugin on PATH, and a kubeconfig."""

    environment: dict[str, str]

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``kubectl marquee WORDS``."""
        return subprocess.run(
            ["kubectl", "marquee", *words],
            env=self.environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    def starts(self, *words: str) -> subprocess.Popen[str]:
        """The same, and does not wait for its end."""
        return subprocess.Popen(
            ["kubectl", "marquee", *words],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """A namespace with the model ``lead``, and the people who look after it."""

    server: ApiServer
    plane: ControlPlane
    namespace: str
    folder: Path

    @property
    def path(self) -> str:
        """Of the model."""
        return f"{collection_of('MarketingModel', self.namespace)}/lead"

    def body(self) -> dict[str, Any]:
        """The stored model."""
        return self.server.get(self.path)

    def report(self, **rollout: Any) -> None:
        """Write the status, as the operator does."""
        body = self.body()
        times = {name: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" for name in ("started", "stepStarted")}
        answer = self.server.send("PUT", f"{self.path}/status", body | {"status": status_of(body, **(times | rollout))})
        assert answer.accepted, answer.message

    def person(self, name: str = "", *, server: str = "") -> Person:
        """The administrator, or somebody whom the API server takes for ``name``; by another way to the server."""
        config = yaml.safe_load(self.plane.kubeconfig.read_text())
        config["users"][0]["user"] |= {"as": name} if name else {}
        config["clusters"][0]["cluster"] |= {"server": server} if server else {}
        config["contexts"][0]["context"]["namespace"] = self.namespace
        file = self.folder / f"kubeconfig-{name}"
        file.write_text(yaml.safe_dump(config))
        environment = kubectl.environment(file)
        path = f"{self.folder}{os.pathsep}{environment['PATH']}"
        return Person(environment | {"PATH": path, "PYTHONPATH": f"{ROOT / 'operator'}{os.pathsep}{ROOT}"})


@pytest.fixture
def desk(server: ApiServer, plane: ControlPlane, namespace: str, tmp_path: Path) -> Desk:
    """The model's rollout is on step 2 of 4 and holds."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\nexec {plane._kubectl_program} kubectl "$@"\n')
    program.chmod(0o755)
    (tmp_path / "kubectl-marquee").symlink_to(Path(sys.executable).with_name("kubectl-marquee"))
    created = server.create(
        collection_of("MarketingModel", namespace), model("lead", revision="lead-v2", namespace=namespace, **SPEC)
    )
    assert created.accepted, created.message
    found = Desk(server, plane, namespace, tmp_path)
    found.report()
    return found


@pytest.fixture
def watching(desk: Desk) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``status --watch`` as somebody; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(person: Person | None = None) -> subprocess.Popen[str]:
        started.append((person or desk.person()).starts("status", "lead", "--watch"))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
