"""Sees everything that happens in all namespaces through one watch a kind: nobody has to ask again and again."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.crash.api import Api
from tests.support.kinds import ROOTS, Object, collection

_TRAFFIC: Final = frozenset({"Service", "Deployment"})
_AGAIN_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Event:
    """One change."""

    version: int
    """resourceVersions of all kinds count the same writes: they put the kinds' changes into one order."""
    kind: str
    gone: bool
    body: Object

    @property
    def name(self) -> str:
        """The object's."""
        return str(self.body["metadata"]["name"])


class Observatory:
    """Keeps the newest version of each object, and the history of Services and Deployments; a context manager."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._objects: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self._history: dict[str, list[Event]] = defaultdict(list)
        self._changed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._follow(kind)) for kind in ROOTS]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def objects(self, namespace: str, kind: str) -> list[Object]:
        """By name, apart from the ServiceAccount that every namespace has."""
        found = self._objects[namespace, kind]
        return [found[name] for name in sorted(found) if (kind, name) != ("ServiceAccount", "default")]

    def history(self, namespace: str) -> list[Event]:
        """Changes of Services and Deployments, in the order in which they were written."""
        return sorted(self._history[namespace], key=lambda event: event.version)

    async def until(self, namespace: str, holds: Callable[[], bool], timeout_seconds: float) -> None:
        """Wait until something holds of what is known of a namespace.

        Raises:
            TimeoutError: it did not in time.

        """
        async with asyncio.timeout(timeout_seconds):
            while not holds():
                assert not any(task.done() for task in self._tasks), "a watch has ended"
                self._changed[namespace].clear()
                await self._changed[namespace].wait()

    async def _follow(self, kind: str) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError):  # a test has ended the API server
                await self._watch(kind)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _watch(self, kind: str) -> None:
        """From "any version": it begins with what exists."""
        timeout = aiohttp.ClientTimeout(total=None)
        params = {"watch": "1", "sendInitialEvents": "true", "allowWatchBookmarks": "true"}
        params |= {"resourceVersionMatch": "NotOlderThan"}
        session, path = self._api.session, collection(kind)
        async with session.get(path, params=params, timeout=timeout, read_bufsize=2**24) as answer:
            answer.raise_for_status()
            for (_, known), objects in self._objects.items():
                if known == kind:
                    objects.clear()
            async for line in answer.content:
                self._take(kind, json.loads(line))

    def _take(self, kind: str, told: Object) -> None:
        metadata = told["object"]["metadata"]
        if told["type"] == "BOOKMARK":
            return
        namespace, gone = metadata["namespace"], told["type"] == "DELETED"
        objects = self._objects[namespace, kind]
        if gone:
            objects.pop(metadata["name"], None)
        else:
            objects[metadata["name"]] = told["object"]
        if kind in _TRAFFIC:
            version = int(metadata["resourceVersion"])
            leaving = gone or "deletionTimestamp" in metadata
            self._history[namespace].append(Event(version, kind, leaving, told["object"]))
        self._changed[namespace].set()
