"""Answers of the model that are given again for the same input, for a while and up to a number.

An entry belongs to one input of one revision: the process serves no other, so that a change of revision begins with an
empty cache. The key is a digest of the validated row of numbers (7, 7.0 and 7e0 are one input, and so is whatever order
the fields came in), keyed with a secret of the process; no input stays in memory. What else must keep two requests
apart goes in as the *scope*.

`cachetools.TTLCache` needs five times as long for a look-up and four times for an entry (cachetools 8.0), and does not
know how old an entry is, which ``max-age`` asks for; with one lifetime for all an `OrderedDict` is enough.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

from bentos.front.schema import Rows

Values = tuple[float, ...]
"""One number per output of the model."""

_DIGEST_BYTES: Final = 16
_SECOND: Final = 1_000_000_000
_MAX_AGE: Final = b"max-age="


class Directives(NamedTuple):
    """What a request asks of a cache."""

    look_up: bool = True
    store: bool = True
    max_age: int | None = None
    """Nanoseconds; an older entry is not wanted."""


ANY: Final = Directives()
NO_CACHE: Final = Directives(look_up=False)
UNSEEN: Final = Directives(look_up=False, store=False)
"""Neither answered from the cache nor remembered."""


def directives_of(header: bytes) -> Directives:
    """The request directives of a Cache-Control header that mean something here (RFC 9111, section 5.2.1).

    ``no-cache`` wants a new answer, which replaces the old one; ``max-age=0`` too; ``no-store`` forbids to remember it.
    They are advice; whatever else is there is ignored.
    """
    look_up, store, max_age = True, True, None
    for part in header.lower().split(b","):
        directive = part.strip()
        if directive == b"no-cache":
            look_up = False
        elif directive == b"no-store":
            store = False
        elif directive.startswith(_MAX_AGE):
            digits = directive.removeprefix(_MAX_AGE).strip(b'"')
            if digits.isdigit() and len(digits) < 10:
                max_age = int(digits) * _SECOND
    return Directives(look_up, store, max_age)


class PredictionCache:
    """The most recently used answers; for the event loop alone.

    Args:
        ttl_seconds: how old an answer may become.
        max_entries: how many there may be.
        clock: nanoseconds that only grow.

    """

    def __init__(self, *, ttl_seconds: float, max_entries: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._ttl = round(ttl_seconds * _SECOND)
        self._max_entries = max_entries
        self._clock = clock
        self._secret = os.urandom(_DIGEST_BYTES)
        self._entries: OrderedDict[bytes, tuple[int, Values]] = OrderedDict()
        self.hits = self.misses = self.bypasses = self.evictions = self.expirations = 0

    def __len__(self) -> int:
        """Entries, those that are too old and were not asked for since among them."""
        return len(self._entries)

    def key(self, row: Rows, scope: bytes) -> bytes:
        """The name of an input, shape (1, fields), within a scope."""
        return blake2b(row.tobytes() + scope, digest_size=_DIGEST_BYTES, key=self._secret).digest()

    def get(self, key: bytes, directives: Directives = ANY) -> Values | None:
        """What the model answered; None: nothing that is young enough."""
        if not directives.look_up:
            self.bypasses += 1
            return None
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        age = self._clock() - entry[0]
        if age >= self._ttl:
            self.expirations += 1
            self.misses += 1
            del self._entries[key]
            return None
        if directives.max_age is not None and age >= directives.max_age:
            self.bypasses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: bytes, values: Values) -> None:
        """Remember an answer, over an older one; the entry that was not used for longest goes when there is no room."""
        self._entries[key] = self._clock(), values
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
            self.evictions += 1
