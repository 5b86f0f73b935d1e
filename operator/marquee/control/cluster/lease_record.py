"""The Lease object on the API server: read, create, and replace under its version's fence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import NotFound
from marquee.control.kinds import LEASE


class LeaseRecord:
    """One Lease; requests for it wait for no slot and have a short time-out of their own."""

    def __init__(self, connection: Connection, namespace: str, name: str, *, timeout_seconds: float) -> None:
        self.connection = connection
        self.namespace = namespace
        self.name = name
        self._timeout_seconds = timeout_seconds

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    async def read(self) -> dict[str, Any] | None:
        """Return the Lease, None when there is none."""
        try:
            return await self._request("GET", LEASE.object_path(self.namespace, self.name), None)
        except NotFound:
            return None

    async def create(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Create the Lease; raises `AlreadyExists` when another was faster."""
        lease = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"namespace": self.namespace, "name": self.name},
            "spec": spec,
        }
        return await self._request("POST", LEASE.collection_path(self.namespace), lease)

    async def replace(self, seen: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        """Write `spec` if the Lease is still at the version of `seen`, else raise `Conflict`."""
        return await self._request("PUT", LEASE.object_path(self.namespace, self.name), seen | {"spec": spec})

    async def changes(self, *, since: dict[str, Any]) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Yield each new state of the Lease after `since`, None for its deletion, until the server ends the watch."""
        events = self.connection.stream(
            LEASE.collection_path(self.namespace),
            params={
                "fieldSelector": f"metadata.name={self.name}",
                "resourceVersion": lease_version(since),
                "timeoutSeconds": "300",
            },
        )
        async with aclosing(events):
            async for event in events:
                yield None if event["type"] == "DELETED" else event["object"]

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        return await self.connection.request(
            method, path, body=body, timeout_seconds=self._timeout_seconds, urgent=True
        )


def lease_version(lease: dict[str, Any]) -> str:
    """Return the version that fences writers."""
    return str(lease["metadata"]["resourceVersion"])


def lease_holder(lease: dict[str, Any]) -> str:
    """Return who holds the Lease, empty when nobody does."""
    return str((lease.get("spec") or {}).get("holderIdentity") or "")
