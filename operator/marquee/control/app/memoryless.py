"""kopf's storages for what it keeps on and of objects between events: here there is nothing to keep.

With the default ones kopf copies each object twice per event, to find differences that no handler of ours asks
for; that took as much CPU as everything our handlers do.
"""

from __future__ import annotations

from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory


class NoDiffBase(kopf.DiffBaseStorage):
    """Finds every object the same as ever."""

    def build(self, **_: Any) -> Any:
        """Nothing of an object is compared."""
        return {}

    def fetch(self, **_: Any) -> None:
        """No earlier state is known."""

    def store(self, **_: Any) -> None:
        """Nothing is written to the object."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress: handlers of events run once each, whatever happens."""

    def fetch(self, **_: Any) -> None:
        """No handler has begun."""

    def store(self, **_: Any) -> None:
        """Nothing is written to the object."""

    def purge(self, **_: Any) -> None:
        """There is nothing to remove."""

    def touch(self, **_: Any) -> None:
        """There is nothing to renew."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours is in it."""
        return essence


class NoMemories(ResourceMemories):
    """Remembers no object: what kopf keeps of one is for daemons, indices and changes, and we have none of them.

    The class is kopf's own, not public, and a parameter of its public `spawn_tasks`; a test guards both.
    """

    async def recall(self, raw_body: Any, **named: Any) -> ResourceMemory:
        """A new memory for each event."""
        return await super().recall(raw_body, **(named | {"ephemeral": True}))
