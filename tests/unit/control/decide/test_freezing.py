"""Windows and freezes by the clock on the wall: changes of daylight saving time, bounds, and what can't be read."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Any

import pytest

from marquee.api.promotion_freeze import PromotionFreezeSpec
from marquee.api.rollout import Rollout
from marquee.contract.holding import Hold
from marquee.control.decide.freezing import held
from marquee.control.snapshot import StandingFreeze

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


def standing(name: str = "peak", **spec: Any) -> StandingFreeze:
    """A PromotionFreeze in the operator's namespace."""
    return StandingFreeze("marquee-system", name, "uid", PromotionFreezeSpec.model_validate(spec))


PEAK = standing(**SALE)
NEXT_DAY = standing("stock-taking", first="2026-12-03", last="2026-12-03", timeZone="Europe/Berlin")
UNREADABLE = StandingFreeze("marquee-system", "newer", "uid", None)
WIDE: dict[str, tuple[tuple[StandingFreeze, ...], str, str]] = {
    # PromotionFreezes, now, why it is held
    "none": ((), "2026-11-25T12:00", OPEN),
    "the minute before": ((PEAK,), "2026-11-19T22:59", OPEN),
    "its first minute": ((PEAK,), "2026-11-19T23:00", "marquee-system/peak: sale, until 2026-12-02 23:00 UTC"),
    "its last minute": ((PEAK,), "2026-12-02T22:59", "marquee-system/peak: sale, until 2026-12-02 23:00 UTC"),
    "over": ((PEAK,), "2026-12-02T23:00", OPEN),
    "one after the other": (
        (NEXT_DAY, PEAK),
        "2026-12-01T00:00",
        "marquee-system/peak: sale, until 2026-12-03 23:00 UTC",
    ),
    "without days": ((standing(reason="incident"),), "2026-11-25T12:00", "marquee-system/peak: incident"),
    "without a last day": ((standing(first="2026-11-20"),), "2026-11-25T12:00", "marquee-system/peak"),
    "before its first day": ((standing(first="2026-11-26"),), "2026-11-25T12:00", OPEN),
    "without a first day": (
        (standing(last="2026-11-25"),),
        "2026-11-25T12:00",
        "marquee-system/peak, until 2026-11-26 00:00 UTC",
    ),
    "after its last day": ((standing(last="2026-11-24"),), "2026-11-25T12:00", OPEN),
    "then one without an end": (
        (PEAK, standing("audit", first="2026-12-03", timeZone="Europe/Berlin")),
        "2026-12-01T00:00",
        "marquee-system/peak: sale",
    ),
    "in a zone that is none": (
        (standing(timeZone="Mars"),),
        "2026-11-25T12:00",
        "marquee-system/peak can't be read: 'No time zone found with key Mars'",
    ),
    "on a day after the last one of all": (
        (standing(last="9999-12-31"),),
        "2026-11-25T12:00",
        "marquee-system/peak can't be read: date value out of range",
    ),
    "of a newer operator": (
        (UNREADABLE,),
        "2026-11-25T12:00",
        "marquee-system/newer can't be read by this operator: upgrade it, or change the object",
    ),
    "one is over, the other can't be read": (
        (PEAK, UNREADABLE),
        "2026-12-24T12:00",
        "marquee-system/newer can't be read by this operator: upgrade it, or change the object",
    ),
}


@pytest.mark.parametrize(("freezes", "now", "words"), WIDE.values(), ids=WIDE)
def test_a_freeze_of_all_models(freezes: tuple[StandingFreeze, ...], now: str, words: str) -> None:
    """It holds between its days, without any as long as it is there, and when it can't be read."""
    found = held(Rollout(), None, at(now), freezes)
    assert (found.words if found is not None else OPEN) == (words if words == OPEN else f"PromotionFreeze {words}")


def test_a_models_own_calendar_goes_on_after_a_freeze_of_all() -> None:
    """What is told is when something may happen again: after the freeze the office opens."""
    found = held(Rollout.model_validate({"windows": [OFFICE]}), None, at("2026-12-02T10:00"), (PEAK,))
    assert found is not None
    assert found.words == "PromotionFreeze marquee-system/peak: sale, until 2026-12-03 08:00 UTC"
    said = Hold(on=True, until="2026-12-05T00:00:00+00:00", by="anna")
    found = held(Rollout(), said, at("2026-12-02T10:00"), (PEAK,))
    assert found is not None
    assert found.words == "frozen by anna, until 2026-12-05 00:00 UTC"


def test_time_zones_need_nothing_of_the_image() -> None:
    """A slim image has no database of its own, and a zone that is not known would hold everything."""
    zoneinfo.reset_tzpath(to=())
    try:
        assert zoneinfo.ZoneInfo.no_cache("Europe/Berlin").key == "Europe/Berlin"
    finally:
        zoneinfo.reset_tzpath()
