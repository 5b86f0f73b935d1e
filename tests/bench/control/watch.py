"""A bare watch from now on, for measuring: each change is handed to a function, nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

from marquee.control.cluster.connection import Connection
from marquee.control.kinds import Kind


@dataclass
class Watch:
    """Objects of one kind in all namespaces that appear or change."""

    connection: Connection
    kind: Kind
    take: Callable[[dict[str, Any]], None]
    _task: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        """Begin with what happens after this call."""
        path = self.kind.collection_path()
        head = await self.connection.request("GET", path, params={"limit": "1"})
        self._task = asyncio.create_task(self._run(path, head["metadata"]["resourceVersion"]))
        return self

    async def stop(self) -> None:
        """End it; raises what ended it earlier."""
        assert self._task is not None
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            return

    async def _run(self, path: str, version: str) -> None:
        params = {"resourceVersion": version, "timeoutSeconds": "3600"}
        async with aclosing(self.connection.stream(path, params=params, timeout_seconds=3600)) as events:
            async for event in events:
                if event["type"] in {"ADDED", "MODIFIED"}:
                    self.take(event["object"])
        raise RuntimeError(f"the watch of {self.kind} ended")
