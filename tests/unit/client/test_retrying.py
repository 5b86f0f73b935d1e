"""Whether and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.client import RetryPolicy, is_temporary, retry_after_seconds

POLICY = RetryPolicy(give_up_seconds=60, base_seconds=0.5, cap_seconds=15)


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 408, 409, 413, 415, 422])
def test_what_will_not_get_better_is_not_tried_again(status: int) -> None:
    """The same request gets the same answer."""
    assert not is_temporary(status)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_get_better_is_tried_again(status: int) -> None:
    """A quota fills up, and a server comes back."""
    assert is_temporary(status)


@pytest.mark.parametrize(
    ("failures", "elapsed", "jitter", "retry_after", "pause"),
    [
        (1, 0.0, 1.0, None, 0.5),
        (1, 0.0, 0.0, None, 0.0),
        (3, 0.0, 1.0, None, 2.0),
        (3, 0.0, 0.5, None, 1.0),
        (6, 0.0, 1.0, None, 15.0),
        (9_999, 0.0, 1.0, None, 15.0),
        (1, 0.0, 0.0, 7.0, 7.0),
        (1, 0.0, 1.0, 7.0, 7.5),
        (1, 59.5, 1.0, None, 0.5),
        (1, 59.6, 1.0, None, None),
        (1, 0.0, 0.0, 60.0, 60.0),
        (1, 0.0, 0.0, 61.0, None),
        (1, 61.0, 0.0, None, None),
    ],
)
def test_the_pause(
    failures: int, elapsed: float, jitter: float, retry_after: float | None, pause: float | None
) -> None:
    """It doubles up to the cap, waits at least as long as the server asks, and ends where a try would be too late."""
    policy = POLICY.pause(failures=failures, elapsed_seconds=elapsed, jitter=jitter, retry_after=retry_after)
    assert policy == pause


@given(jitters=st.lists(st.floats(0, 1), max_size=30))
def test_no_try_begins_after_the_stated_time(jitters: list[float]) -> None:
    """Whatever the dice say."""
    elapsed = 0.0
    for failures, jitter in enumerate(jitters, start=1):
        pause = POLICY.pause(failures=failures, elapsed_seconds=elapsed, jitter=jitter)
        if pause is None:
            return
        elapsed += pause
        assert elapsed <= POLICY.give_up_seconds


NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("²", None),
        ("Wed, 99 Jul 2026 12:00:00 GMT", None),
        ("0", 0.0),
        (" 17 ", 17.0),
        (format_datetime(NOW.replace(minute=1), usegmt=True), 60.0),
        (format_datetime(NOW.replace(hour=11), usegmt=True), 0.0),
    ],
)
def test_the_header_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds or a date; what cannot be read asks for nothing."""
    assert retry_after_seconds(header, now=NOW.timestamp()) == seconds
