"""What an informer knows: the newest version of each object, from its watch and from our own writes.

Two sources feed it and race. The watch tells everything, in order but late; the answers to our own writes come
early, or so late that their object is deleted by then. Versions decide: an older one never replaces a newer one,
and an answer from before the point that list and watch have reached is no news, so it resurrects nothing.
Kubernetes makes resourceVersions of one kind comparable as integers (KEP-5504).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class ObjectKey(NamedTuple):
    """Where an object is; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str


INCOMPARABLE: Final = -1
"""Stands for a resourceVersion that is no number, as an aggregated API may use: the watch is then always believed,
an answer to a write never."""


@dataclass(slots=True)
class _Entry(Generic[T]):
    object: T
    version: int
    group: str | None


class Store(Generic[T]):
    """Objects of one kind by key and by one index, each reduced once by `transform`.

    Args:
        transform: keeps of a raw object what is needed.
        index: gives the key under which `select` finds a raw object within its namespace, or None.
        on_change: called with the old and the new object for each change that the watch tells of; old is None for
            one that appeared, new for one that vanished. Not called for what the writer knows already (`write_back`).

    """

    def __init__(
        self,
        *,
        transform: Callable[[dict[str, Any]], T],
        index: Callable[[dict[str, Any]], str | None],
        on_change: Callable[[T | None, T | None], None],
    ) -> None:
        self._transform = transform
        self._index = index
        self._on_change = on_change
        self._entries: dict[ObjectKey, _Entry[T]] = {}
        self._groups: defaultdict[tuple[str, str], set[ObjectKey]] = defaultdict(set)
        self._reached = INCOMPARABLE  # everything up to this version has been told by list or watch

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter([entry.object for entry in self._entries.values()])

    def get(self, namespace: str, name: str) -> T | None:
        """Return one object, or None."""
        entry = self._entries.get(ObjectKey(namespace, name))
        return None if entry is None else entry.object

    def select(self, namespace: str, index_key: str) -> list[T]:
        """Return the objects of `namespace` that the index files under `index_key`, by name."""
        keys = self._groups.get((namespace, index_key), ())
        return [self._entries[key].object for key in sorted(keys)]

    def take_listed(self, raw: dict[str, Any]) -> ObjectKey:
        """Take an object of a list that is being read."""
        return self._upsert(raw)

    def finish_list(self, seen: set[ObjectKey], list_version: int) -> None:
        """Remove what a complete list at `list_version` did not show: it was deleted while nobody watched."""
        vanished = [
            key
            for key, entry in self._entries.items()
            # A newer entry was written by ourselves after the list was taken.
            if key not in seen and not entry.version > list_version > INCOMPARABLE
        ]
        for key in vanished:
            self._drop(key)
        self._reached = list_version

    def take_event(self, event_type: str, raw: dict[str, Any]) -> None:
        """Take an event of the watch: ADDED, MODIFIED, DELETED or BOOKMARK."""
        try:
            if event_type == "DELETED":
                self._remove(raw)
            elif event_type != "BOOKMARK":
                self._upsert(raw)
        finally:
            self._reached = version_of(raw["metadata"])

    def write_back(self, raw: dict[str, Any]) -> None:
        """Take the API's answer to our own write, unless something newer is known."""
        key, version = _identity(raw)
        known = self._entries.get(key)
        if version > self._reached and (known is None or version > known.version):
            self._put(key, version, raw)

    def _upsert(self, raw: dict[str, Any]) -> ObjectKey:
        key, version = _identity(raw)
        known = self._entries.get(key)
        if known is None or version > known.version or version == INCOMPARABLE:
            old = None if known is None else known.object
            self._on_change(old, self._put(key, version, raw))
        elif version < known.version:
            # Our own later write hid this one: its content is in the writer's answer, but nobody was told that
            # somebody else had written before.
            self._on_change(known.object, known.object)
        return key

    def _remove(self, raw: dict[str, Any]) -> None:
        key, version = _identity(raw)
        known = self._entries.get(key)
        if known is None:
            return
        if known.version > version > INCOMPARABLE:
            # Created anew by ourselves since: only the earlier object of this name is gone.
            self._on_change(known.object, known.object)
        else:
            self._drop(key)

    def _put(self, key: ObjectKey, version: int, raw: dict[str, Any]) -> T:
        entry = _Entry(self._transform(raw), version, self._index(raw))
        self._unfile(key)
        self._entries[key] = entry
        if entry.group is not None:
            self._groups[key.namespace, entry.group].add(key)
        return entry.object

    def _drop(self, key: ObjectKey) -> None:
        self._unfile(key)
        known = self._entries.pop(key)
        self._on_change(known.object, None)

    def _unfile(self, key: ObjectKey) -> None:
        known = self._entries.get(key)
        if known is None or known.group is None:
            return
        group = (key.namespace, known.group)
        self._groups[group].discard(key)
        if not self._groups[group]:
            del self._groups[group]


def version_of(metadata: dict[str, Any]) -> int:
    """Return a resourceVersion as a number, `INCOMPARABLE` where it is none."""
    text = str(metadata.get("resourceVersion", ""))
    return int(text) if text.isascii() and text.isdecimal() else INCOMPARABLE


def _identity(raw: dict[str, Any]) -> tuple[ObjectKey, int]:
    metadata = raw["metadata"]
    return ObjectKey(metadata.get("namespace", ""), metadata["name"]), version_of(metadata)
