"""When a schedule's moments are: the newest that has passed and the next one. Pure.

Cron expressions as `marquee.api.schedule.Cron` permits them, which no library has to parse: five fields of numbers. As
in cron, a day that either of two restricted day fields names is meant. A moment that a clock change skips is taken as
if the clock had not changed; one that comes twice counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from marquee.api.retraining import Moments

_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_LONGEST: Final = timedelta(days=366 * 8)
"""Between two moments: the 29th of February around a year 2100."""


class ScheduleError(ValueError):
    """A schedule cannot be read: the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One cron expression in its zone."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """From Sunday, which is 0."""
    either: bool
    """Both day fields are restricted: either names the day."""
    zone: ZoneInfo

    def falls_on(self, day: date) -> bool:
        """Whether it has moments on that day."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = (of_month or of_week) if self.either else (of_month and of_week)
        return day.month in self.months and fits

    def moments(self, day: date) -> list[datetime]:
        """Those of a day, in their order, in UTC."""
        if not self.falls_on(day):
            return []
        told = (time(hour, minute) for hour in sorted(self.hours) for minute in sorted(self.minutes))
        return sorted(datetime.combine(day, one, self.zone).astimezone(UTC) for one in told)


def read_schedule(moments: Sequence[Moments]) -> tuple[Schedule, ...]:
    """Raises `ScheduleError`: the zone is not known here, or the expression says nothing."""
    found = []
    for number, one in enumerate(moments):
        where = f"spec.retraining.triggers.schedule[{number}]"
        try:
            zone = ZoneInfo(one.time_zone)
        except (ValueError, OSError, LookupError):
            raise ScheduleError(f"{where}.timeZone: {one.time_zone!r} is no time zone that is known here") from None
        fields = one.cron.split(" ")
        try:
            minutes, hours, days, months, weekdays = (
                frozenset(_values(field, *bounds)) for field, bounds in zip(fields, _BOUNDS, strict=True)
            )
        except ValueError:
            raise ScheduleError(f"{where}.cron: {one.cron!r} is no cron expression of five fields") from None
        either = not fields[2].startswith("*") and not fields[4].startswith("*")
        found.append(Schedule(minutes, hours, days, months, weekdays, either, zone))
    return tuple(found)


def newest_moment(schedules: Sequence[Schedule], now: datetime, since: datetime) -> datetime | None:
    """The newest one that has passed, and not before `since`."""
    return max((one for schedule in schedules for one in _passed(schedule, now, since)), default=None)


def next_moment(schedules: Sequence[Schedule], now: datetime) -> datetime | None:
    """The next one after now."""
    return min((one for schedule in schedules for one in _coming(schedule, now)), default=None)


def _passed(schedule: Schedule, now: datetime, since: datetime) -> Iterator[datetime]:
    day, first = now.astimezone(schedule.zone).date() + timedelta(days=1), since.astimezone(schedule.zone).date()
    while day >= first:
        if found := [moment for moment in schedule.moments(day) if since <= moment <= now]:
            yield found[-1]
            return
        day -= timedelta(days=1)


def _coming(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    day = now.astimezone(schedule.zone).date() - timedelta(days=1)
    last = day + _LONGEST
    while day <= last:
        if found := [moment for moment in schedule.moments(day) if moment > now]:
            yield found[0]
            return
        day += timedelta(days=1)


def _values(field: str, low: int, high: int) -> Iterator[int]:
    if field.startswith("*"):
        yield from range(low, high + 1, int(field[2:]) if field != "*" else 1)
        return
    for item in field.split(","):
        first, _, last = item.partition("-")
        found = range(int(first), int(last or first) + 1)
        if not found or found[0] < low or found[-1] > high:
            raise ValueError(item)
        yield from found
