"""kopf's storages for state that its change detection keeps on objects: here there is nothing to keep.

With the default ones kopf copies each object twice per event, to find differences that no handler of ours asks
for; that took as much CPU as everything our handlers do.
"""

from __future__ import annotations

from typing import Any

import kopf


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
