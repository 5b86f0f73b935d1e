"""How much each sender may send: a token bucket for each sender and role.

A request larger than the bucket is let through when the bucket is full and then owes the rest, so no legal batch
waits for ever; on average nobody passes the rate.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from marquee.ledger.access.senders import Role, Sender

MAX_BUCKETS: Final = 10_000
"""Only senders that authenticated have one; the one that was quiet for longest goes first."""


@dataclass(frozen=True, slots=True)
class Quota:
    """Records a second on average, and how many at once."""

    per_second: float
    burst: float


@dataclass(slots=True)
class TokenBucket:
    """What is left for one sender."""

    quota: Quota
    level: float
    updated: float

    def take(self, records: int, now: float) -> float:
        """Take records out, or say how many seconds to wait; 0: they are taken."""
        self.level = min(self.quota.burst, self.level + (now - self.updated) * self.quota.per_second)
        self.updated = now
        needed = min(records, self.quota.burst)
        if self.level < needed:
            return (needed - self.level) / self.quota.per_second
        self.level -= records
        return 0.0


class Quotas:
    """The buckets of all senders; a role without a quota has no bound."""

    def __init__(self, quotas: Mapping[Role, Quota], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, Role], TokenBucket] = OrderedDict()

    def take(self, sender: Sender, role: Role, records: int) -> float:
        """Seconds to wait before so many records may be sent; 0: they may, and are counted."""
        if (quota := self._quotas.get(role)) is None:
            return 0.0
        now, key = self._clock(), (sender.name, role)
        bucket = self._buckets.setdefault(key, TokenBucket(quota, quota.burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket.take(records, now)
