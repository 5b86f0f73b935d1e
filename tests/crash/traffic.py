"""Whether users could be answered at every moment: each version of each Service against the Deployments of that moment."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from tests.crash.world import Api

_WATCHED: Final = {"Service": "/api/v1/services", "Deployment": "/apis/apps/v1/deployments"}
_SELECTOR: Final = "app.kubernetes.io/managed-by=marquee"


class Traffic:
    """Watches what is written, whoever writes it; a context manager.

    Both watches tell of changes in the API server's order, and resourceVersions put the two together: no moment is
    missed, as one would be by asking now and then.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._events: dict[str, list[tuple[int, str, str, dict[str, Any]]]] = defaultdict(list)
        self._reports: dict[str, list[str]] = defaultdict(list)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._follow(kind, path)) for kind, path in _WATCHED.items()]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def report(self, namespace: str, what: str) -> None:
        """Something that must not happen has been seen elsewhere."""
        self._reports[namespace].append(what)

    def troubles(self, namespace: str) -> list[str]:
        """Moments at which users were sent where nobody is, or moved to a revision without a pod."""
        for task in self._tasks:
            assert not task.done(), "a watch has ended"
        found = list(self._reports[namespace])
        deployments: dict[str, dict[str, Any]] = {}
        pointed: str | None = None
        for version, kind, event, body in sorted(self._events[namespace], key=lambda entry: entry[0]):
            name = body["metadata"]["name"]
            gone = event == "DELETED" or "deletionTimestamp" in body["metadata"]
            if kind == "Deployment":
                deployments.pop(name, None) if gone else deployments.update({name: body})
                if gone and name == pointed:
                    found.append(f"{version}: {name} was removed while users were sent to it")
                continue
            wanted = None if gone else body["spec"]["selector"]["marquee.dev/revision"]
            if wanted is not None and wanted not in deployments:
                found.append(f"{version}: users are sent to {wanted}, of which there are only {sorted(deployments)}")
            elif wanted != pointed and pointed is not None and wanted is not None:
                available = deployments[wanted].get("status", {}).get("availableReplicas", 0)
                if not available:
                    found.append(f"{version}: users are moved from {pointed} to {wanted}, which has no pod")
            pointed = wanted
        return found

    async def _follow(self, kind: str, path: str) -> None:
        params = {"watch": "1", "labelSelector": _SELECTOR}
        async with self._api.session.get(
            path, params=params, timeout=aiohttp.ClientTimeout(total=None), read_bufsize=2**24
        ) as answer:
            async for line in answer.content:
                event = json.loads(line)
                body = event["object"]
                version = int(body["metadata"]["resourceVersion"])
                self._events[body["metadata"]["namespace"]].append((version, kind, event["type"], body))
