"""`spec.rollout.windows` and `freezes`: when a revision may get more users, by a calendar with a time zone."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.schedule import TimeZone
from marquee.api.types import ApiModel, cel, extension, rules

ClockTime = Annotated[
    str,
    StringConstraints(max_length=5),
    Field(
        json_schema_extra=rules(
            cel("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$') || self == '24:00'", "must be HH:MM, 00:00 to 24:00")
        )
    ),
]


class Weekday(StrEnum):
    """A day of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


class Window(ApiModel):
    """Hours of a week in which a revision may get more users."""

    days: tuple[Weekday, ...] = Field(
        min_length=1, max_length=7, description="On which days.", json_schema_extra=extension(list_type="atomic")
    )
    start: ClockTime = Field(description="From then on, by the clock of timeZone.")
    end: ClockTime = Field(description="Until then, on the same day.")
    time_zone: TimeZone = Field(default="UTC", description="Name in the IANA database, as Europe/Berlin.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel("self.start < self.end", "must be later than start: a window ends on its day", field_path=".end")
        )
    }


class Freeze(ApiModel):
    """Days on which no revision gets more users."""

    first: dt.date = Field(description="The first day, as 2026-11-20.", json_schema_extra={"maxLength": 10})
    last: dt.date = Field(description="The last day; it belongs to the freeze.", json_schema_extra={"maxLength": 10})
    time_zone: TimeZone = Field(default="UTC", description="Whose days: a name in the IANA database.")
    reason: Annotated[str, StringConstraints(max_length=128)] = Field(default="", description="For people.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(cel("self.first <= self.last", "must not be before first", field_path=".last"))
    }
