"""Whether to try again, and when: pure, so any HTTP library can follow it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

_MAX_DOUBLINGS: Final = 32
"""Keeps the power of two a number; the cap is reached long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter, on top of what the server asks for, within a stated time."""

    give_up_seconds: float = 60.0
    """No try begins later than this after the first one; the last may then take one timeout more."""
    base_seconds: float = 0.5
    """The first pause is drawn between 0 and this; each further one from twice the range."""
    cap_seconds: float = 15.0
    """The widest range."""

    def pause(
        self, *, failures: int, elapsed_seconds: float, jitter: float, retry_after: float | None = None
    ) -> float | None:
        """Seconds until the next try, or None: give up now, as that try would come too late.

        Args:
            failures: tries that failed so far, at least 1.
            elapsed_seconds: since the first try began.
            jitter: uniform between 0 and 1, so that clients that failed together do not come back together.
            retry_after: seconds that the server asked for.

        """
        widest = min(self.cap_seconds, self.base_seconds * 2 ** min(failures - 1, _MAX_DOUBLINGS))
        pause = (retry_after or 0.0) + jitter * widest
        return pause if elapsed_seconds + pause <= self.give_up_seconds else None


def is_temporary(status: int) -> bool:
    """Whether the same request may succeed later: over quota, or the server's own trouble."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def retry_after_seconds(header: str | None, *, now: float | None = None) -> float | None:
    """The header ``Retry-After`` in seconds from now, not negative; None when it is missing or unreadable.

    Args:
        header: a whole number of seconds, or a date (RFC 9110, section 10.2.3).
        now: seconds since 1970; by default the clock's.

    """
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))
