"""One Lease on an API server in memory, and links to it that can be cut, slowed down or made to lose answers."""
# ruff: noqa: ARG002 - the signatures are those of Connection

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from copy import deepcopy
from typing import Any

from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import Forbidden, Unreachable, api_error


class LeaseServer:
    """Holds at most one Lease, with versions that fence writers."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.changed = asyncio.Condition()
        self.history: list[dict[str, Any]] = []

    @property
    def holder(self) -> str | None:
        return None if self.lease is None else str(self.lease["spec"]["holderIdentity"])

    async def write(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        await self._tell("MODIFIED", self.lease)
        return deepcopy(self.lease)

    async def delete(self) -> None:
        assert self.lease is not None
        self.version += 1
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        gone, self.lease = self.lease, None
        await self._tell("DELETED", gone)

    async def handle(self, method: str, body: dict[str, Any] | None) -> dict[str, Any]:
        path = "/leases/x"
        if method == "POST":
            if self.lease is not None:
                raise api_error(409, {"reason": "AlreadyExists"}, path)
            assert body is not None
            return await self.write(body)
        if self.lease is None:
            raise api_error(404, {}, path)
        if method == "GET":
            return deepcopy(self.lease)
        assert body is not None
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise api_error(409, {}, path)
        return await self.write(body)

    async def _tell(self, kind: str, lease: dict[str, Any]) -> None:
        self.history.append({"type": kind, "object": deepcopy(lease), "version": self.version})
        async with self.changed:
            self.changed.notify_all()


class LeaseLink(Connection):
    """One process's way to the server."""

    def __init__(self, server: LeaseServer) -> None:
        self.server = server
        self.is_cut = False
        self.loses_answers = False
        self.watch_is_forbidden = False
        self.delay_seconds = 0.0
        self.calls: Counter[str] = Counter()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
        accept: str = "",
        timeout_seconds: float = 10.0,
        urgent: bool = False,
    ) -> dict[str, Any]:
        assert urgent, "the Lease must not wait behind other requests"
        self.calls[method] += 1
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._travel()
                answer = await self.server.handle(method, deepcopy(body))
                await self._travel()
        except TimeoutError as error:
            raise Unreachable("timed out") from error
        if self.loses_answers:
            raise Unreachable("answer lost")
        return answer

    async def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = "",
        timeout_seconds: float = 310.0,
    ) -> AsyncGenerator[dict[str, Any], None]:
        assert params is not None
        self.calls["WATCH"] += 1
        if self.watch_is_forbidden:
            raise Forbidden(403, "Forbidden", "no watching", path)
        seen = int(params["resourceVersion"])
        while True:
            await self._travel()
            for event in [event for event in self.server.history if event["version"] > seen]:
                seen = event["version"]
                yield deepcopy(event)
            async with self.server.changed:
                await self.server.changed.wait()

    async def _travel(self) -> None:
        await asyncio.sleep(self.delay_seconds)
        if self.is_cut:
            raise Unreachable("cut")
