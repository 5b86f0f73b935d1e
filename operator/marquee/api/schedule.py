"""Moments that come again: cron expressions and the time zones that they are told in."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from marquee.api.types import cel, rules


def _field(value: str) -> str:
    """A cron field: ``*``, ``*/n``, or numbers and ranges of them, separated by commas."""
    item = f"({value})(-({value}))?"
    return rf"([*](/[1-9][0-9]?)?|{item}(,{item})*)"


_MINUTE, _HOUR = "[0-5]?[0-9]", "[01]?[0-9]|2[0-3]"
_DAY, _MONTH, _WEEKDAY = "0?[1-9]|[12][0-9]|3[01]", "0?[1-9]|1[0-2]", "[0-6]"
_CRON = f"^{' '.join(map(_field, (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)))}$"
_SHORT_MONTH = "0?[2469]|11"


def _never(day: str, month: str) -> str:
    """Times of every such day, whatever the weekday, in such months only."""
    return f"^[^ ]+ [^ ]+ ({day})(,({day}))* ({month})(,({month}))* [*]$"


_CRON_RULES = (
    cel(
        f"self.matches('{_CRON}')",
        "must be five fields of numbers, as '0 8 * * 1-5': minute, hour, day of the month, month, weekday (0 to 6 from "
        "Sunday); each is *, */n, or numbers and ranges such as 1,3-5",
    ),
    cel(
        f"!self.matches('{_never('3[01](-3[01])?', '0?2')}') && !self.matches('{_never('31', _SHORT_MONTH)}')",
        "never comes: no such month has that day",
    ),
)

Cron = Annotated[str, StringConstraints(min_length=9, max_length=64), Field(json_schema_extra=rules(*_CRON_RULES))]
TIME_ZONE: Final = "Name in the IANA database, as Europe/Berlin; daylight saving time is taken into account."
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(
        json_schema_extra=rules(
            cel(
                r"self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$') && self != 'Local' && "
                "timestamp('2000-01-01T00:00:00Z').getFullYear(self) > 0",
                "must be a name of the IANA time zone database, as Europe/Berlin",
            )
        )
    ),
]
"""The API server looks it up: CEL's ``getFullYear`` fails for a zone that its database does not have, and its words
name the zone. It has a database for CronJobs, whatever its image has. ``Local`` is a zone for Go alone: the server's
own."""
