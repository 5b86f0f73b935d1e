"""The two clocks of the operator: one to measure with, one to write down."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


def monotonic_seconds() -> float:
    """Seconds of the running event loop: the clock its timers use, so a test that turns one turns both.

    Never compare it with a time of another process, nor store it.
    """
    return asyncio.get_running_loop().time()


def utc_now() -> datetime:
    """Wall-clock time for people and for records; durations are not measured with it, because it can jump."""
    return datetime.now(UTC)


def micro_time(moment: datetime) -> str:
    """`moment` as the Kubernetes API's ``MicroTime``: RFC 3339 in UTC with exactly six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
