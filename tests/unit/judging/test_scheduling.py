"""When a schedule's moments are, in every time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from marquee.api.retraining import Moments
from marquee.judging.scheduling import ScheduleError, newest_moment, next_moment, read_schedule

NOW: Final = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)  # a Saturday
LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """An instant of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "before", "after"),
    [
        ("30 12 * * *", "UTC", "2026-11-28T12:30", "2026-11-29T12:30"),
        ("31 12 * * *", "UTC", "2026-11-27T12:31", "2026-11-28T12:31"),
        ("*/20 * * * *", "UTC", "2026-11-28T12:20", "2026-11-28T12:40"),
        ("0 3 * * 1", "UTC", "2026-11-23T03:00", "2026-11-30T03:00"),
        ("0 3 * * 1", "Europe/Berlin", "2026-11-23T02:00", "2026-11-30T02:00"),
        ("0 3 * * 0,6", "America/New_York", "2026-11-28T08:00", "2026-11-29T08:00"),
        ("0 23 * * *", "Pacific/Auckland", "2026-11-28T10:00", "2026-11-29T10:00"),
        ("15 8-9 1 1-3 *", "UTC", "2026-03-01T09:15", "2027-01-01T08:15"),
        ("0 0 29 2 *", "UTC", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("0 0 13 * 5", "UTC", "2026-11-27T00:00", "2026-12-04T00:00"),
        ("0 0 30 * 5", "UTC", "2026-11-27T00:00", "2026-11-30T00:00"),
    ],
)
def test_the_moments_around_now(cron: str, zone: str, before: str, after: str) -> None:
    """Weekdays count from Sunday; either of two named days is meant, as in cron."""
    schedules = read_schedule([Moments(cron=cron, time_zone=zone)])
    assert newest_moment(schedules, NOW, LONG_AGO) == at(before)
    assert next_moment(schedules, NOW) == at(after)


def test_nothing_before_the_beginning_is_meant() -> None:
    """A schedule that is new asks for nothing of the past."""
    schedules = read_schedule([Moments(cron="0 3 * * *")])
    assert newest_moment(schedules, NOW, NOW - timedelta(hours=1)) is None
    assert newest_moment(schedules, NOW, at("2026-11-28T03:00")) == at("2026-11-28T03:00")
    assert newest_moment((), NOW, LONG_AGO) is None
    assert next_moment((), NOW) is None


@pytest.mark.parametrize("hour", ["2", "3"])
def test_clock_changes_cost_no_moment(hour: str) -> None:
    """Each day of a year has one, whether its hour is skipped, comes twice, or neither."""
    schedules = read_schedule([Moments(cron=f"30 {hour} * * *", time_zone="Europe/Berlin")])
    moment, found = at("2026-01-01T00:00"), []
    while (following := next_moment(schedules, moment)) is not None and following < at("2027-01-01T00:00"):
        assert newest_moment(schedules, following, LONG_AGO) == following
        found.append(following)
        moment = following
    assert len(found) == 365


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("0 3 * * 1", "Mars/Base", r"schedule\[0\].timeZone: 'Mars/Base' is no time zone"),
        ("0 5-3 * * *", "UTC", r"schedule\[0\].cron: '0 5-3 \* \* \*' is no cron expression"),
        ("0 3 * * MON", "UTC", "is no cron expression"),
        ("60 3 * * *", "UTC", "is no cron expression"),
        ("0 3 * *", "UTC", "is no cron expression"),
    ],
)
def test_what_says_nothing_is_named(cron: str, zone: str, words: str) -> None:
    """Field and value, for the condition."""
    with pytest.raises(ScheduleError, match=words):
        read_schedule([Moments.model_construct(cron=cron, time_zone=zone)])
