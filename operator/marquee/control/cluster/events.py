"""Kubernetes Events (events.k8s.io/v1), what ``kubectl describe`` shows: repeated ones become a series."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from marquee.control.cluster.connection import OBJECT_METADATA, Connection
from marquee.control.cluster.errors import ClusterError, NotFound
from marquee.control.kinds import EVENT
from marquee.control.runtime.clock import micro_time, monotonic_seconds, utc_now

REPORTING_CONTROLLER: Final = "marquee.dev/operator"

_NOTE_BYTES: Final = 1024  # the API's bound, as are the next two
_REASON_CHARACTERS: Final = 128
_NAME_CHARACTERS: Final = 253

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EventSettings:
    """When a repetition is counted instead of recorded anew, and what that may cost."""

    series_seconds: float = 600.0
    """Longest pause, in seconds, within a series. Default 600: the API's own notion of a finished series."""

    refresh_seconds: float = 60.0
    """A repetition is written when it is the 2nd, 4th, 8th and so on, or so many seconds after the last write.
    Default 60: a reconcile that fails in a loop costs a write a minute, not one a try."""

    remembered: int = 2048
    """Series kept in memory, about 1 kB each. Default 2048: two for each of a thousand models."""


@dataclass(slots=True)
class EventCounters:
    """What became of the events."""

    created: int = 0
    updated: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _News:
    """What one call reports; equal news are one series."""

    reference: dict[str, str]
    type: str
    reason: str
    note: str
    action: str

    @property
    def key(self) -> tuple[str, ...]:
        identity = (self.reference.get(part, "") for part in ("uid", "kind", "namespace", "name"))
        return (*identity, self.type, self.reason, self.note, self.action)


@dataclass(slots=True)
class _Series:
    """One event that may happen again."""

    name: str = ""  # empty until the server has it
    count: int = 0
    seen_at: float = 0.0
    written_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class EventRecorder:
    """Writes events without ever failing its caller: an Event is news, not state."""

    def __init__(self, connection: Connection, *, settings: EventSettings | None = None) -> None:
        self.counters = EventCounters()
        self._connection = connection
        self._settings = settings or EventSettings()
        self._instance = (os.environ.get("POD_NAME") or socket.gethostname())[:128]
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()

    async def emit(
        self,
        *,
        regarding: Mapping[str, Any],
        type: str,  # noqa: A002 - the field's name in the API
        reason: str,
        note: str,
        action: str,
    ) -> None:
        """Record that something happened to an object; a failure to do so is logged and counted, not raised.

        The same `regarding`, `type`, `reason`, `note` and `action` again within ten minutes raises the count of
        the Event there is.

        Args:
            regarding: object reference (apiVersion, kind, namespace, name, uid), or a whole object.
            type: ``Normal`` or ``Warning``.
            reason: CamelCase word, the machine's reading.
            note: sentence, the human's; cut at 1,024 bytes.
            action: what was done, a CamelCase word.

        """
        news = _News(object_reference(regarding), type, reason, note, action)
        series = self._recall(news)
        async with series.lock:
            now = monotonic_seconds()
            if now - series.seen_at > self._settings.series_seconds:
                series.name, series.count = "", 0
            series.count += 1
            series.seen_at = now
            try:
                if not series.name:
                    await self._create(series, news)
                elif self._is_worth_a_write(series, now):
                    await self._update(series, news)
                else:
                    return
                series.written_at = now
            except ClusterError as error:
                self.counters.failed += 1
                log.warning("event not recorded", reason=reason, note=note, error=str(error))

    def _recall(self, news: _News) -> _Series:
        series = self._series.setdefault(news.key, _Series())
        self._series.move_to_end(news.key)
        if len(self._series) > self._settings.remembered:
            self._series.popitem(last=False)
        return series

    def _is_worth_a_write(self, series: _Series, now: float) -> bool:
        is_power_of_two = series.count & (series.count - 1) == 0
        return is_power_of_two or now - series.written_at >= self._settings.refresh_seconds

    async def _create(self, series: _Series, news: _News) -> None:
        suffix = f".{secrets.token_hex(8)}"
        name = news.reference["name"][: _NAME_CHARACTERS - len(suffix)] + suffix
        namespace = _namespace(news)
        await self._connection.request(
            "POST",
            EVENT.collection_path(namespace),
            body={
                "apiVersion": EVENT.api_version,
                "kind": EVENT.kind,
                "metadata": {"namespace": namespace, "name": name},
                "eventTime": micro_time(utc_now()),
                "reportingController": REPORTING_CONTROLLER,
                "reportingInstance": self._instance,
                "type": news.type,
                "reason": news.reason[:_REASON_CHARACTERS],
                "action": news.action[:_REASON_CHARACTERS],
                "regarding": news.reference,
                "note": news.note.encode()[:_NOTE_BYTES].decode(errors="ignore"),
            },
            accept=OBJECT_METADATA,
        )
        series.name = name
        self.counters.created += 1

    async def _update(self, series: _Series, news: _News) -> None:
        try:
            await self._connection.request(
                "PATCH",
                EVENT.object_path(_namespace(news), series.name),
                body={"series": {"count": series.count, "lastObservedTime": micro_time(utc_now())}},
                content_type="application/merge-patch+json",
                accept=OBJECT_METADATA,
            )
        except NotFound:  # the API server drops Events after an hour
            series.count = 1
            await self._create(series, news)
        else:
            self.counters.updated += 1


def _namespace(news: _News) -> str:
    return news.reference.get("namespace") or "default"  # the API's rule for cluster-scoped objects


def object_reference(source: Mapping[str, Any]) -> dict[str, str]:
    """Return apiVersion, kind, namespace, name, uid and resourceVersion of a reference or of a whole object."""
    flat = {**source, **source.get("metadata", {})}
    wanted = ("apiVersion", "kind", "namespace", "name", "uid", "resourceVersion")
    return {key: flat[key] for key in wanted if flat.get(key)}
