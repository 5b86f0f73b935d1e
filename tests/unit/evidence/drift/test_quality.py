"""A broken feed is told from drift."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marquee.evidence.drift.baselines import baseline_of
from marquee.evidence.drift.counting import Histogram, Window
from marquee.evidence.drift.quality import Fault, faults
from marquee.evidence.drift.settings import QualitySettings
from tests.unit.evidence.drift.feeds import ROWS, day, weeks

SETTINGS = QualitySettings()
USUAL = [day(start) for start in (0, 7, 14)]
MONDAY = day(21)


def changed(name: str, histogram: Histogram) -> Window:
    """Monday with another feature."""
    return replace(MONDAY, features={**MONDAY.features, name: histogram})


def moved(part: str, rows: int) -> Histogram:
    """Age with so many values in a special count instead of the middle bin's neighbourhood."""
    bins = list(MONDAY.features["age"].bins)
    left = rows
    for place in range(1, len(bins) - 1):
        taken = min(left, bins[place])
        bins[place], left = bins[place] - taken, left - taken
    if part == "outside":
        return Histogram((*bins[:-1], bins[-1] + rows))
    special: dict[str, Any] = {part: rows}
    return Histogram(tuple(bins), **special)


def test_a_usual_day_has_no_fault() -> None:
    """Nor has one with a corrupt value of each sort."""
    assert faults(MONDAY, USUAL, SETTINGS) == ()
    for part in ("missing", "wrong", "unseen", "outside"):
        assert faults(changed("age", moved(part, 1)), USUAL, SETTINGS) == ()


@pytest.mark.parametrize(
    ("part", "share", "fault"),
    [
        ("missing", 0.2, Fault.MISSING),
        ("wrong", 0.05, Fault.WRONG_TYPE),
        ("unseen", 0.4, Fault.UNSEEN),
        ("outside", 0.3, Fault.OUT_OF_RANGE),
    ],
)
def test_values_of_no_use_are_a_fault(part: str, share: float, fault: Fault) -> None:
    """Of the feature, with the share that was seen and the usual one."""
    (found,) = faults(changed("age", moved(part, round(share * ROWS))), USUAL, SETTINGS)
    assert (found.fault, found.feature) == (fault, "age")
    assert found.seen == pytest.approx(share, abs=0.001)
    assert str(found).startswith(f"age: {fault.value} {share:.1%}")


@pytest.mark.parametrize(("rows", "fault"), [(0, Fault.SILENT), (2_000, Fault.FEW_ROWS), (60_000, Fault.MANY_ROWS)])
def test_volume_is_a_fault(rows: int, fault: Fault) -> None:
    """Less than a third of a usual window of this label, or four times as much."""
    found = faults(day(21, rows=rows) if rows else Window(21, "mon", {}, 0), USUAL, SETTINGS)
    assert [each.fault for each in found] == [fault]
    assert "12,000 are usual" in str(found[0])


def test_a_feature_that_vanished_is_a_fault() -> None:
    """Whether it is not counted any more, or never has a value."""
    without = {name: each for name, each in MONDAY.features.items() if name != "age"}
    for features in (without, {**without, "age": Histogram((0,) * 22)}):
        (found,) = faults(replace(MONDAY, features=features), USUAL, SETTINGS)
        assert (found.fault, found.feature) == (Fault.VANISHED, "age")


def test_the_outer_categories_are_not_out_of_range() -> None:
    """Only a number has a range."""
    usual = [Window(start, "mon", {"plan": Histogram((10, 80, 10), ordered=False)}, 100) for start in (0, 7)]
    other = Window(14, "mon", {"plan": Histogram((45, 10, 45), ordered=False)}, 100)
    assert faults(other, usual, SETTINGS) == ()


def test_days_of_a_broken_feed_are_no_baseline() -> None:
    """An outage in the reference is left out, and told."""
    good = weeks(4)
    outage = replace(good[9], features={**good[9].features, "age": Histogram((0,) * 22, missing=ROWS)})
    silent = Window(good[16].start, good[16].label, {}, 0)
    baseline = baseline_of([*good[:9], outage, *good[10:16], silent, *good[17:]], SETTINGS)
    assert baseline.excluded == (outage, silent)
    assert [len(baseline.like(name)) for name in ("mon", "wed", "sun")] == [4, 2, 4]
    assert baseline.features == ("age", "income", "visits")
    assert baseline.like("sale") == ()
