"""Keeps the objects of one kind in memory and tells of their changes: LIST, WATCH, resume, list again when too late.

One informer is one watch connection. It never gives up: what goes wrong is logged, counted and tried again with
backoff, because a cluster without its API server for an hour is a cluster whose models still serve.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from marquee.control.cluster.connection import LIST_METADATA, OBJECT, OBJECT_METADATA, Connection
from marquee.control.cluster.errors import ApiError, ClusterError, Gone, NotFound
from marquee.control.cluster.store import INCOMPARABLE, ObjectKey, Store, version_of
from marquee.control.kinds import Kind
from marquee.control.runtime.backoff import Backoff
from marquee.control.runtime.clock import monotonic_seconds

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InformerSettings:
    """How an informer watches and how patient it is."""

    watch_seconds: float = 300.0
    """Time, in seconds, after which the server ends a watch. Default 300: a server that forgot us is noticed; each
    watch asks for up to a fifth less, so that many informers do not come back at once."""

    watch_grace_seconds: float = 10.0
    """Time, in seconds, the server gets to do so before this side ends the watch. Default 10."""

    page_size: int = 250
    """Objects per LIST request. Default 250: a page of 8 KB objects decodes within 10 MB and is reduced at once,
    so a start with thousands of objects does not set the process's peak memory."""

    list_seconds: float = 60.0
    """Time-out, in seconds, of one page. Default 60: the server's own."""

    backoff: Backoff = field(default_factory=lambda: Backoff(initial_seconds=0.5, maximum_seconds=10.0))
    """Wait between attempts. Default 0.5 s doubling to 10 s: an outage's end is noticed within as much."""

    settled_seconds: float = 5.0
    """A watch that was heard so many seconds after its start counts as success and resets the backoff. Default 5."""

    stale_seconds: float = 330.0
    """Without any word from the server for so long, in seconds, the informer is not healthy. Default 330: longer
    than a whole silent watch."""

    absent_seconds: float = 60.0
    """Time, in seconds, after which an optional kind that the server does not serve is asked for again. Default 60:
    whoever installs it sees it used within a minute, and one refused request a minute costs nothing."""


@dataclass(slots=True)
class InformerCounters:
    """What the informer has met since the start."""

    events: int = 0
    """Objects told of by the watch, bookmarks not counted."""

    lists: int = 0
    """Complete lists."""

    watches: int = 0
    """Watches opened."""

    failures: int = 0
    """Lists and watches that failed."""

    rejected: int = 0
    """Objects on which `transform`, `index` or `on_change` raised."""


class Informer(Generic[T]):
    """Objects of one kind, current as far as its watch has come.

    Args:
        connection: to the API server.
        kind: what to watch.
        transform: called once per version of an object; what it returns is kept, the rest is freed. The raw object
            always carries apiVersion and kind.
        on_change: called with the old and the new object for each change, in the event loop; None stands for
            absent. It must not block.
        label_selector: as ``kubectl -l`` takes it.
        namespace: None for all.
        metadata_only: have the server leave out spec and status.
        optional: take a kind that the server does not serve for one without objects, synced and healthy, until it
            is installed.
        index: gives the key for `select` from a raw object, or None.
        settings: see `InformerSettings`.
        rng: for jitter.

    """

    def __init__(
        self,
        connection: Connection,
        kind: Kind,
        *,
        transform: Callable[[dict[str, Any]], T],
        on_change: Callable[[T | None, T | None], None],
        label_selector: str | None = None,
        namespace: str | None = None,
        metadata_only: bool = False,
        optional: bool = False,
        index: Callable[[dict[str, Any]], str | None] = lambda _: None,
        settings: InformerSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.kind = kind
        self.counters = InformerCounters()
        self.synced = asyncio.Event()
        """Set once the first list is complete; never cleared."""
        self._connection = connection
        self._path = kind.collection_path(namespace)
        self._selector = {"labelSelector": label_selector} if label_selector else {}
        self._metadata_only = metadata_only
        self._optional = optional
        self._absent = False  # an optional kind that the server does not serve, as far as is known
        self._settings = settings or InformerSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._store: Store[T] = Store(transform=transform, index=index, on_change=on_change)
        self._version = ""  # to watch from; empty when a list is needed
        self._contact_at: float | None = None

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[T]:
        return iter(self._store)

    @property
    def last_contact_seconds(self) -> float:
        """Seconds since the server last said anything on this kind; infinite before the first word."""
        return float("inf") if self._contact_at is None else monotonic_seconds() - self._contact_at

    @property
    def healthy(self) -> bool:
        """True once synced, as long as the server is heard."""
        return self.synced.is_set() and self.last_contact_seconds < self._settings.stale_seconds

    @property
    def served(self) -> bool:
        """Whether the server has the kind, as far as is known; only an optional one may be missing."""
        return self.synced.is_set() and not self._absent

    def get(self, namespace: str, name: str) -> T | None:
        """Return one object, or None; `namespace` is empty for cluster-scoped kinds."""
        return self._store.get(namespace, name)

    def select(self, namespace: str, index_key: str) -> list[T]:
        """Return the objects of `namespace` under `index_key`, by name."""
        return self._store.select(namespace, index_key)

    def write_back(self, obj: dict[str, Any]) -> None:
        """Take the API's answer to our own write, so that the next reconcile sees it before the watch tells.

        `on_change` is not called, now or when the watch tells the same version: the writer knows.
        """
        self._guarded(obj, partial(self._store.write_back, obj))

    async def run(self) -> None:
        """List and watch until cancelled."""
        failures = 0
        while True:
            started = monotonic_seconds()
            error = await self._attempt()
            if self._optional and isinstance(error, NotFound):
                self._take_absence()
                failures = 0
                await asyncio.sleep(self._settings.absent_seconds)
                continue
            settled = self._was_heard_long_after(started)
            if error is None and settled:
                failures = 0
                continue
            # A watch that the server ends at once is no failure, but must not be asked for in a tight loop either.
            failures = 1 if settled else failures + 1
            pause_seconds = self._settings.backoff.delay_seconds(failures, self._rng)
            if isinstance(error, ApiError) and error.retry_after is not None:
                pause_seconds = max(pause_seconds, min(error.retry_after, self._settings.backoff.maximum_seconds))
            if error is not None:
                self._report(error, failures, pause_seconds)
            await asyncio.sleep(pause_seconds)

    def _was_heard_long_after(self, started: float) -> bool:
        return self._contact_at is not None and self._contact_at - started >= self._settings.settled_seconds

    async def _attempt(self) -> ClusterError | None:
        """List if needed and watch once; return what went wrong, None when the server ended the watch as asked."""
        try:
            if not self._version:
                await self._list()
            await self._watch()
        except Gone as error:
            self._version = ""
            return error
        except ClusterError as error:
            return error
        return None

    async def _list(self) -> None:
        params = self._selector | {"limit": str(self._settings.page_size)}
        seen: set[ObjectKey] = set()
        first: dict[str, Any] | None = None
        while first is None or params["continue"]:
            page = await self._connection.request(
                "GET",
                self._path,
                params=params,
                accept=LIST_METADATA if self._metadata_only else OBJECT,
                timeout_seconds=self._settings.list_seconds,
            )
            self._contact_at = monotonic_seconds()
            first = first or page["metadata"]
            for raw in page.get("items") or ():
                seen.add(ObjectKey(raw["metadata"].get("namespace", ""), raw["metadata"]["name"]))
                self._guarded(raw, partial(self._store.take_listed, raw))
            params["continue"] = page["metadata"].get("continue") or ""
        self._store.finish_list(seen, version_of(first))
        self._version = str(first["resourceVersion"])
        self.counters.lists += 1
        if self._absent or not self.synced.is_set():
            log.info("informer synced", kind=str(self.kind), objects=len(self._store))
        self._absent = False
        self.synced.set()

    def _take_absence(self) -> None:
        """The server does not serve the kind: the CRD is not installed, or was removed with all its objects."""
        self._contact_at = monotonic_seconds()
        self._version = ""
        self._store.finish_list(set(), INCOMPARABLE)
        if not self._absent:
            log.info(
                "kind is not served; carrying on without it",
                kind=str(self.kind),
                asked_again_in_seconds=self._settings.absent_seconds,
            )
        self._absent = True
        self.synced.set()

    async def _watch(self) -> None:
        server_seconds = self._settings.watch_seconds * (1.0 - 0.2 * self._rng.random())
        events = self._connection.stream(
            self._path,
            params=self._selector
            | {
                "resourceVersion": self._version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(max(1, round(server_seconds))),
            },
            accept=OBJECT_METADATA if self._metadata_only else OBJECT,
            timeout_seconds=self._settings.watch_seconds + self._settings.watch_grace_seconds,
        )
        self.counters.watches += 1
        async with aclosing(events):
            async for event in events:
                self._take(event["type"], event["object"])
        self._contact_at = monotonic_seconds()

    def _take(self, event_type: str, raw: dict[str, Any]) -> None:
        self._contact_at = monotonic_seconds()
        self.counters.events += event_type != "BOOKMARK"
        self._guarded(raw, partial(self._store.take_event, event_type, raw))
        self._version = str(raw["metadata"]["resourceVersion"])

    def _guarded(self, raw: dict[str, Any], take: Callable[[], object]) -> None:
        """Have the store take an object; one that our own code stumbles over must not hide all others."""
        raw["kind"], raw["apiVersion"] = self.kind.kind, self.kind.api_version
        try:
            take()
        except Exception:
            self.counters.rejected += 1
            metadata = raw["metadata"]
            log.exception(
                "object not taken",
                kind=str(self.kind),
                namespace=metadata.get("namespace"),
                name=metadata.get("name"),
            )

    def _report(self, error: ClusterError, failures: int, pause_seconds: float) -> None:
        self.counters.failures += 1
        if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, ...: a long outage does not fill the log
            log.warning(
                "watch interrupted",
                kind=str(self.kind),
                failures=failures,
                retry_in_seconds=round(pause_seconds, 3),
                relist=not self._version,
                error=str(error),
            )
