"""Windows and freezes by the clock on the wall: changes of daylight saving time, bounds, and what can't be read."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Any

import pytest

from marquee.api.rollout import Rollout
from marquee.contract.holding import Hold
from marquee.control.decide.freezing import held

OFFICE = {"days": ["Mon", "Tue", "Wed", "Thu"], "start": "09:00", "end": "16:00", "timeZone": "Europe/Berlin"}
NIGHT = {"days": ["Sun"], "start": "02:30", "end": "04:00", "timeZone": "Europe/Berlin"}
NIGHT_END = {"days": ["Sun"], "start": "01:00", "end": "02:30", "timeZone": "Europe/Berlin"}
WHOLE_DAY = {"days": ["Fri"], "start": "00:00", "end": "24:00"}
SALE = {"first": "2026-11-20", "last": "2026-12-02", "timeZone": "Europe/Berlin", "reason": "sale"}

OPEN = "open"
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    # spec.rollout, now, until when it is held
    "no calendar": ({}, "2026-11-25T12:00", OPEN),
    "in office hours": ({"windows": [OFFICE]}, "2026-11-25T08:00", OPEN),
    "a minute before": ({"windows": [OFFICE]}, "2026-11-25T07:59", "2026-11-25T08:00"),
    "at the end": ({"windows": [OFFICE]}, "2026-11-25T15:00", "2026-11-26T08:00"),
    "over the weekend": ({"windows": [OFFICE]}, "2026-11-26T15:00", "2026-11-30T08:00"),
    "in summer an hour earlier": ({"windows": [OFFICE]}, "2026-07-01T07:00", OPEN),
    "over a weekend with a change": ({"windows": [OFFICE]}, "2026-10-22T14:00", "2026-10-26T08:00"),
    "begins in the hour that is left out": ({"windows": [NIGHT]}, "2026-03-29T00:59", "2026-03-29T01:00"),
    "begun in the hour that is left out": ({"windows": [NIGHT]}, "2026-03-29T01:00", OPEN),
    "ends in the hour that is left out": ({"windows": [NIGHT_END]}, "2026-03-29T00:59", OPEN),
    "ended in the hour that is left out": ({"windows": [NIGHT_END]}, "2026-03-29T01:00", "2026-04-04T23:00"),
    "begins in the hour that comes twice": ({"windows": [NIGHT]}, "2026-10-25T00:29", "2026-10-25T00:30"),
    "ends in the hour that comes twice": ({"windows": [NIGHT_END]}, "2026-10-25T01:29", OPEN),
    "ended in the hour that comes twice": ({"windows": [NIGHT_END]}, "2026-10-25T01:30", "2026-11-01T00:00"),
    "a whole day begins": ({"windows": [WHOLE_DAY]}, "2026-11-27T00:00", OPEN),
    "a whole day ends": ({"windows": [WHOLE_DAY]}, "2026-11-28T00:00", "2026-12-04T00:00"),
    "two windows": ({"windows": [OFFICE, WHOLE_DAY]}, "2026-11-26T15:00", "2026-11-27T00:00"),
    "the minute before a freeze": ({"freezes": [SALE]}, "2026-11-19T22:59", OPEN),
    "a freeze begins": ({"freezes": [SALE]}, "2026-11-19T23:00", "2026-12-02T23:00"),
    "a freeze's last minute": ({"freezes": [SALE]}, "2026-12-02T22:59", "2026-12-02T23:00"),
    "a freeze is over": ({"freezes": [SALE]}, "2026-12-02T23:00", OPEN),
    "a freeze in a window": ({"freezes": [SALE], "windows": [OFFICE]}, "2026-11-25T08:00", "2026-12-03T08:00"),
    "two freezes in a row": (
        {"freezes": [SALE, {"first": "2026-12-03", "last": "2026-12-03", "timeZone": "Europe/Berlin"}]},
        "2026-12-01T00:00",
        "2026-12-03T23:00",
    ),
    "a zone that is none": ({"windows": [OFFICE | {"timeZone": "Europe/Berlinn"}]}, "2026-11-25T12:00", ""),
    "a freeze's zone that is none": ({"freezes": [SALE | {"timeZone": "Mars"}]}, "2026-01-01T00:00", ""),
}


def at(text: str) -> datetime:
    """UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("rollout", "now", "until"), CASES.values(), ids=CASES)
def test_when_it_holds_and_until_when(rollout: dict[str, Any], now: str, until: str) -> None:
    """What can't be read holds until somebody mends it."""
    found = held(Rollout.model_validate(rollout), None, at(now))
    if until == OPEN:
        assert found is None
    else:
        assert found is not None
        assert found.until == (at(until) if until else None)


SAID: dict[str, tuple[Hold, str | None]] = {
    "without an end": (Hold(on=True, by="anna", reason="audit"), "frozen by anna: audit"),
    "until later": (
        Hold(on=True, until="2026-11-25T13:00:00+01:00"),
        "frozen, until 2026-11-25 12:00 UTC",
    ),
    "until a moment ago": (Hold(on=True, until="2026-11-25T11:00:00+00:00"), None),
    "taken back": (Hold(on=False), None),
    "until nobody knows": (Hold(on=True, until="soon"), "frozen"),
}


@pytest.mark.parametrize(("said", "words"), SAID.values(), ids=SAID)
def test_what_a_person_says(said: Hold, words: str | None) -> None:
    """It ends by itself where it says when."""
    found = held(Rollout(), said, at("2026-11-25T11:00"))
    assert (found.words if found is not None else None) == words


def test_the_words_name_the_freeze() -> None:
    """By its reason, and when it is over."""
    found = held(Rollout.model_validate({"freezes": [SALE]}), None, at("2026-11-25T11:00"))
    assert found is not None
    assert found.words == "spec.rollout.freezes: sale, until 2026-12-02 23:00 UTC"


def test_time_zones_need_nothing_of_the_image() -> None:
    """A slim image has no database of its own, and a zone that is not known would hold everything."""
    zoneinfo.reset_tzpath(to=())
    try:
        assert zoneinfo.ZoneInfo.no_cache("Europe/Berlin").key == "Europe/Berlin"
    finally:
        zoneinfo.reset_tzpath()
