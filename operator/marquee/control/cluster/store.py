"""What an informer knows: the newest version of each object, from its watch and from our own writes.

Two sources feed it and race. The watch tells everything, late; the answers to our own writes come at once but
say nothing of others. Versions decide: an older one never replaces a newer one, and what was deleted stays so.
Kubernetes makes resourceVersions of one kind comparable as integers (KEP-5504).
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")

_REMEMBERED_DELETIONS: Final = 4096
"""Deletions kept to refuse a late answer. A write's answer is late by seconds at most; so many deletions in that
time would need ten times the rate an API server deletes at."""


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
    uid: str
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
        self._deleted: OrderedDict[ObjectKey, tuple[str, int]] = OrderedDict()

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

    def upsert(self, raw: dict[str, Any]) -> ObjectKey:
        """Take an object that the API told of by list or watch (ADDED, MODIFIED)."""
        key, uid, version = _identity(raw)
        known = self._entries.get(key)
        if known is None or version > known.version or version == INCOMPARABLE:
            old = None if known is None else known.object
            self._on_change(old, self._put(key, uid, version, raw))
        elif version < known.version:
            # Our own later write hid this one: its content is in the writer's answer, but nobody was told that
            # somebody else had written before.
            self._on_change(known.object, known.object)
        return key

    def remove(self, raw: dict[str, Any]) -> None:
        """Take a deletion (DELETED), with the object's last state."""
        key, uid, version = _identity(raw)
        self._drop(key, uid, version)

    def keep_only(self, seen: set[ObjectKey], list_version: int) -> None:
        """Remove what a complete list at `list_version` did not show: it was deleted while nobody watched."""
        vanished = [
            (key, entry.uid)
            for key, entry in self._entries.items()
            # A newer entry was written by ourselves after the list was taken.
            if key not in seen and not entry.version > list_version > INCOMPARABLE
        ]
        for key, uid in vanished:
            self._drop(key, uid, list_version)

    def write_back(self, raw: dict[str, Any]) -> None:
        """Take the API's answer to our own write, unless something newer is known."""
        key, uid, version = _identity(raw)
        known = self._entries.get(key)
        deleted_uid, deleted_version = self._deleted.get(key, ("", INCOMPARABLE))
        newest = max(deleted_version, INCOMPARABLE if known is None else known.version)
        if uid != deleted_uid and version > newest:
            self._put(key, uid, version, raw)

    def _put(self, key: ObjectKey, uid: str, version: int, raw: dict[str, Any]) -> T:
        entry = _Entry(self._transform(raw), uid, version, self._index(raw))
        self._unfile(key)
        self._deleted.pop(key, None)
        self._entries[key] = entry
        if entry.group is not None:
            self._groups[key.namespace, entry.group].add(key)
        return entry.object

    def _drop(self, key: ObjectKey, uid: str, version: int) -> None:
        known = self._entries.get(key)
        if known is not None and known.version > version > INCOMPARABLE:
            # Created anew by ourselves since: only the earlier object of this name is gone.
            self._on_change(known.object, known.object)
            return
        self._deleted[key] = (uid, version)
        self._deleted.move_to_end(key)
        if len(self._deleted) > _REMEMBERED_DELETIONS:
            self._deleted.popitem(last=False)
        if known is not None:
            self._unfile(key)
            del self._entries[key]
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


def _identity(raw: dict[str, Any]) -> tuple[ObjectKey, str, int]:
    metadata = raw["metadata"]
    key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
    return key, metadata.get("uid", ""), version_of(metadata)
