"""Whether a revision may get more users at this time: freezes of all models, windows, freezes of one, and what a person
has said. Pure.

A window's and a freeze's bounds are times of a clock on a wall. Where that clock is put forward over a bound, the bound
is the moment right after; where it is put back, a window is open until the second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from marquee.api.calendar import Freeze, Weekday, Window
from marquee.api.rollout import Rollout
from marquee.contract.holding import Hold
from marquee.control.snapshot import StandingFreeze

_DAYS: Final = tuple(Weekday)
_WEEK: Final = 8
"""Days in which every weekday's window comes, whatever the time zone."""
_ROUNDS: Final = 64
"""So many freezes and gaps may follow one another before nobody can say when the last one ends."""
_MIDNIGHT: Final = "24:00"
_UNREADABLE: Final = (OSError, ValueError, KeyError, OverflowError)
"""What a time zone that is none raises, and a day that no calendar has."""


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing gets more users."""

    why: str
    until: datetime | None
    """None: until somebody changes something."""

    @property
    def words(self) -> str:
        """Why, and until when."""
        if self.until is None:
            return self.why
        return f"{self.why}, until {self.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def held(rollout: Rollout, said: Hold | None, now: datetime, freezes: Sequence[StandingFreeze] = ()) -> Held | None:
    """What holds now, with the time from which nothing does; None when nothing holds.

    Args:
        rollout: with the model's own calendar.
        said: by a person, of this model.
        now: the moment.
        freezes: PromotionFreezes over the model.

    """
    if (first := _held_at(rollout, said, now, freezes)) is None:
        return None
    until = first.until
    for _ in range(_ROUNDS):
        if until is None or (following := _held_at(rollout, said, until, freezes)) is None:
            return Held(first.why, until)
        until = following.until
    return Held(first.why, None)


def _held_at(rollout: Rollout, said: Hold | None, now: datetime, freezes: Sequence[StandingFreeze]) -> Held | None:
    """The first thing that holds at a moment, with its own end."""
    if said is not None and said.on and (said.ends is None or now < said.ends):
        by = f" by {said.by}" if said.by else ""
        return Held(f"frozen{by}" + (f": {said.reason}" if said.reason else ""), said.ends)
    if (wide := next(filter(None, (standing(freeze, now) for freeze in freezes)), None)) is not None:
        return wide
    try:
        for freeze in rollout.freezes:
            if (end := _end_of(freeze, now)) is not None:
                return Held("spec.rollout.freezes" + (f": {freeze.reason}" if freeze.reason else ""), end)
        return _between_windows(rollout.windows, now)
    except _UNREADABLE as error:
        return Held(f"spec.rollout's windows and freezes can't be read: {error}", None)


def standing(freeze: StandingFreeze, now: datetime) -> Held | None:
    """Whether a PromotionFreeze holds at a moment; one that can't be read does."""
    what, spec = f"PromotionFreeze {freeze.path}", freeze.spec
    if spec is None:
        return Held(f"{what} can't be read by this operator: upgrade it, or change the object", None)
    try:
        zone = ZoneInfo(spec.time_zone)
        begins = _at(spec.first, "00:00", zone) if spec.first is not None else None
        ends = _at(spec.last, _MIDNIGHT, zone) if spec.last is not None else None
    except _UNREADABLE as error:
        return Held(f"{what} can't be read: {error}", None)
    if (begins is not None and now < begins) or (ends is not None and now >= ends):
        return None
    return Held(what + (f": {spec.reason}" if spec.reason else ""), ends)


def _end_of(freeze: Freeze, now: datetime) -> datetime | None:
    """When a freeze ends that holds now."""
    zone = ZoneInfo(freeze.time_zone)
    begin = _at(freeze.first, "00:00", zone)
    end = _at(freeze.last, _MIDNIGHT, zone)
    return end if begin <= now < end else None


def _between_windows(windows: tuple[Window, ...], now: datetime) -> Held | None:
    if not windows:
        return None
    bounds = sorted(bound for window in windows for bound in _bounds(window, now))
    if any(start <= now < end for start, end in bounds):
        return None
    return Held("outside of spec.rollout.windows", min((start for start, _ in bounds if start > now), default=None))


def _bounds(window: Window, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When a window opens and closes, from yesterday on."""
    zone = ZoneInfo(window.time_zone)
    today = now.astimezone(zone).date()
    for offset in range(-1, _WEEK + 1):
        day = today + timedelta(days=offset)
        if _DAYS[day.weekday()] in window.days:
            yield _at(day, window.start, zone), _at(day, window.end, zone, fold=1)


def _at(day: date, clock: str, zone: ZoneInfo, *, fold: int = 0) -> datetime:
    """A wall clock's time; one that is left out is the moment of the change, one that comes twice by ``fold``."""
    if clock == _MIDNIGHT:
        day, clock = day + timedelta(days=1), "00:00"
    local = datetime.combine(day, time.fromisoformat(clock), zone).replace(fold=fold)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None, fold=0):
        return moment
    # left out: the offsets before and after the change give a later and an earlier moment, and it is in between
    early, late = sorted((local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC)))
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == early.astimezone(zone).utcoffset():
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)
