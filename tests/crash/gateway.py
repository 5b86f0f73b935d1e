"""Accepts every HTTPRoute, as a gateway's controller does once it has looked at it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

from tests.crash.api import Api, RefusedError
from tests.support.kinds import Object, collection

PARENT: Final = {"name": "public"}
"""The Gateway that models name."""


class Gateway:
    """Answers for each generation of a route once; a context manager."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._answering: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._answering:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)

    def look(self, route: Object) -> None:
        """Take note of a route's version."""
        if _answered_for(route) < route["metadata"]["generation"]:
            task = asyncio.create_task(self._accept(route))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _accept(self, route: Object) -> None:
        metadata = route["metadata"]
        conditions = [_true(kind, metadata["generation"]) for kind in ("Accepted", "ResolvedRefs")]
        parent = {"parentRef": PARENT, "controllerName": "example.com/test", "conditions": conditions}
        path = f"{collection('HTTPRoute', metadata['namespace'])}/{metadata['name']}/status"
        try:
            await self._api.send("PATCH", path, {"status": {"parents": [parent]}}, merge=True)
        except RefusedError as refusal:
            if refusal.status != 404:  # gone with its model
                raise


def _answered_for(route: Object) -> int:
    parents = route.get("status", {}).get("parents", ())
    return max((c["observedGeneration"] for parent in parents for c in parent["conditions"]), default=0)


def _true(kind: str, generation: int) -> Object:
    return {
        "type": kind,
        "status": "True",
        "reason": kind,
        "message": "",
        "observedGeneration": generation,
        "lastTransitionTime": "2024-11-22T12:00:00Z",
    }
