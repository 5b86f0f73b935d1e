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

_TRAFFIC: Final = frozenset({"Service", "Deployment", "HTTPRoute"})
_ALL_TOLD: Final = "k8s.io/initial-events-end"
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
    """Keeps the newest version of each object, and the history of what decides about traffic; a context manager.

    Args:
        api: What it sees.
        on_route: Called with each new version of an HTTPRoute.

    """

    def __init__(self, api: Api, on_route: Callable[[Object], None] = lambda _: None) -> None:
        self._api = api
        self._on_route = on_route
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
        """Changes of Services, Deployments and HTTPRoutes, in the order in which they were written."""
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
        """From "any version": it begins with what exists, and then says that this was all.

        A server ends a watch that cannot keep up with it: what was deleted until the next one is told by nobody.
        """
        timeout = aiohttp.ClientTimeout(total=None)
        params = {"watch": "1", "sendInitialEvents": "true", "allowWatchBookmarks": "true"}
        params |= {"resourceVersionMatch": "NotOlderThan"}
        session, path = self._api.session, collection(kind)
        async with session.get(path, params=params, timeout=timeout, read_bufsize=2**24) as answer:
            answer.raise_for_status()
            unseen = {id(body): body for body in self._all(kind)}
            async for line in answer.content:
                told = json.loads(line)
                if told["type"] == "ERROR":  # such as a history that the server has not got any more
                    return
                metadata = told["object"]["metadata"]
                if told["type"] != "BOOKMARK":
                    unseen.pop(id(self._objects[metadata["namespace"], kind].get(metadata["name"])), None)
                    self._take(kind, told)
                elif _ALL_TOLD in metadata.get("annotations", ()):
                    for body in unseen.values():
                        last = body["metadata"] | {"resourceVersion": metadata["resourceVersion"]}
                        self._take(kind, {"type": "DELETED", "object": body | {"metadata": last}})

    def _all(self, kind: str) -> list[Object]:
        return [body for (_, of), objects in self._objects.items() if of == kind for body in objects.values()]

    def _take(self, kind: str, told: Object) -> None:
        metadata = told["object"]["metadata"]
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
        if kind == "HTTPRoute" and not gone:
            self._on_route(told["object"])
        self._changed[namespace].set()
