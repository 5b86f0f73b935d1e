"""Connections to the shared control plane as the operator makes them, and things to try them on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from localcluster import ControlPlane
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection, connect

Connect = Callable[..., Awaitable[Connection]]


@pytest_asyncio.fixture
async def connect_to(plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """Makes connections: as administrator or with a token, straight or over another address."""
    made: list[Connection] = []

    async def make(*, server: str = "", token: str | None = None, of: ControlPlane = plane) -> Connection:
        config: dict[str, Any] = yaml.safe_load(of.kubeconfig.read_text())
        if server:
            config["clusters"][0]["cluster"]["server"] = server
        if token is not None:
            config["users"][0]["user"] = {"token": token}
        file = tmp_path / f"kubeconfig-{len(made)}"
        file.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(file))
        made.append(await connect())
        return made[-1]

    yield make
    for connection in made:
        await connection.close()


@pytest_asyncio.fixture
async def connection(connect_to: Connect) -> Connection:
    """The administrator's connection."""
    return await connect_to()


@pytest.fixture
def client(connection: Connection) -> Client:
    """The administrator's client."""
    return Client(connection)


@pytest.fixture
def deployment(namespace: str) -> dict[str, Any]:
    """A small Deployment; nothing runs it, because there are no controllers."""
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": "web", "labels": {"app": "web", "tier": "front"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "localhost/none:1"}]},
            },
        },
    }
