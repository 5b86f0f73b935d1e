"""The verdict on windows: who is alarmed, by what, and who is not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.evidence.drift.baselines import Baseline, baseline_of
from marquee.evidence.drift.counting import Histogram, Window
from marquee.evidence.drift.multiplicity import discoveries
from marquee.evidence.drift.settings import DriftSettings
from marquee.evidence.drift.verdict import TABLE, Assessment, State, Tier, follow, replay
from marquee.evidence.errors import CountsError
from tests.unit.evidence.drift.feeds import ROWS, day, label, weeks

SETTINGS = DriftSettings()
QUIET = math.inf
"""Windows to a false alarm where only the comparison of distributions is to speak."""


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    """Eight weeks."""
    return baseline_of(weeks(8), SETTINGS.quality)


def tiers(assessments: list[Assessment]) -> list[Tier]:
    """Of each window."""
    return [each.tier for each in assessments]


def test_quiet_weeks_ask_for_nothing(baseline: Baseline) -> None:
    """Weekends that lie 0.3 standard deviations higher are no drift, nor are days that waver."""
    found = replay(weeks(6, first=8), baseline, SETTINGS)
    assert Tier.RETRAIN not in tiers(found)
    assert tiers(found).count(Tier.INVESTIGATE) <= 2


def test_a_shift_of_a_tenth_asks_for_a_retraining_within_three_windows(baseline: Baseline) -> None:
    """And names the feature."""
    found = replay(weeks(1, first=8, age=0.1), baseline, SETTINGS)
    first = tiers(found).index(Tier.RETRAIN)
    assert first <= 2
    assert found[first].suspects[0] == "age"


def test_a_shift_of_a_twentieth_adds_up_within_seven(baseline: Baseline) -> None:
    """Windows by themselves do not show it in three times as many."""
    windows = [day(start, income=0.05, visits=0.05) for start in range(56, 77)]
    found = replay(windows, baseline, SETTINGS)
    first = tiers(found).index(Tier.RETRAIN)
    assert first <= 6
    assert set(found[first].suspects) <= {"income", "visits"}
    alone = replay(windows, baseline, replace(SETTINGS, windows_to_false_alarm=QUIET))
    assert Tier.RETRAIN not in tiers(alone)


def test_a_shift_that_stays_is_told_for_as_long_as_it_stays(baseline: Baseline) -> None:
    """Although what is usual learns from shifted windows, and also where no window before the shift is left."""
    windows = [day(start, income=0.06, visits=0.06) for start in range(56, 112)]
    found = tiers(replay(windows[:28], baseline, SETTINGS))
    assert set(found[found.index(Tier.RETRAIN) :]) == {Tier.RETRAIN}
    assert replay(windows[28:], baseline, SETTINGS)[-1].tier is Tier.RETRAIN


def test_a_changed_shape_is_confirmed_over_three_windows(baseline: Baseline) -> None:
    """Wider, with the same mean, so that nothing shifts: two odd days are not enough, and three in a row are."""
    settings = replace(SETTINGS, windows_to_false_alarm=QUIET)

    def wider(start: int) -> Window:
        bins = list(day(start).features["age"].bins)
        for place in (1, 20):
            bins[place] += 200
        for place in (8, 9, 12, 13):
            bins[place] -= 100
        return replace(day(start), features={**day(start).features, "age": Histogram(tuple(bins))})

    found = replay([wider(56), wider(57), day(58), wider(59), wider(60), wider(61)], baseline, settings)
    assert tiers(found) == [Tier.INVESTIGATE] * 2 + [Tier.STABLE] + [Tier.INVESTIGATE] * 2 + [Tier.RETRAIN]
    assert found[-1].suspects == ("age",)


def test_a_broken_feed_is_no_drift_and_takes_nothing_back(baseline: Baseline) -> None:
    """It asks for no retraining; what the windows around it show counts on."""
    settings = replace(SETTINGS, windows_to_false_alarm=QUIET)
    shifted = [day(start, visits=0.3) for start in (56, 57, 59)]
    broken = replace(day(58), features={**day(58).features, "visits": Histogram((0,) * 22, missing=ROWS)})
    found = replay([*shifted[:2], broken, shifted[2]], baseline, settings)
    assert tiers(found) == [Tier.INVESTIGATE, Tier.INVESTIGATE, Tier.BROKEN_FEED, Tier.RETRAIN]
    assert "visits: Missing 100.0%" in str(found[2].faults[0])
    assert found[2].comparisons == {}


def test_too_little_is_not_no_drift(baseline: Baseline) -> None:
    """A label with too few windows, one that was never seen, and rows too few for the effect floor."""
    short = baseline_of(weeks(2), SETTINGS.quality)
    assert tiers(replay([day(56)], short, SETTINGS)) == [Tier.INSUFFICIENT_DATA]
    campaign = replace(day(56), label="sale")
    assert tiers(replay([campaign], baseline, SETTINGS)) == [Tier.INSUFFICIENT_DATA]
    small = baseline_of([day(start, rows=400) for start in range(56)], SETTINGS.quality)
    (found,) = replay([day(56, rows=400)], small, SETTINGS)
    assert found.tier is Tier.INSUFFICIENT_DATA
    assert min(each.noise for each in found.comparisons.values()) > SETTINGS.effect_floor


def test_windows_come_in_their_order(baseline: Baseline) -> None:
    """A clock that goes back would count a window twice."""
    with pytest.raises(CountsError, match=r"window\.start: 56 is not after 56"):
        replay([day(56), day(56)], baseline, SETTINGS)


def test_other_edges_than_the_baseline_are_refused(baseline: Baseline) -> None:
    """Counters of another revision."""
    other = replace(day(56), features={**day(56).features, "age": Histogram((ROWS // 2, ROWS // 2))})
    with pytest.raises(CountsError, match="add only counts over the same edges"):
        replay([other], baseline, SETTINGS)


@given(first=st.integers(0, 9), shift=st.sampled_from([0.0, 0.06, 0.2]))
def test_a_restart_changes_nothing(first: int, shift: float) -> None:
    """From the state after any window on, the rest is bit for bit the same."""
    known = baseline_of(weeks(3), SETTINGS.quality)
    windows = [day(start, age=shift) for start in range(21, 31)]
    state = State()
    for window in windows[:first]:
        _, state = follow(window, known, state, SETTINGS)
    resumed = []
    for window in windows[first:]:
        assessment, state = follow(window, known, state, SETTINGS)
        resumed.append(assessment)
    assert resumed == replay(windows, known, SETTINGS)[first:]


def test_one_corrupt_value_a_column_changes_no_verdict(baseline: Baseline) -> None:
    """A million, a NaN, a text and an unknown code, one each in every feature of every window."""

    def corrupted(window: Window) -> Window:
        features = {
            name: Histogram((*each.bins[:-1], each.bins[-1] + 1), missing=1, wrong=1, unseen=1)
            for name, each in window.features.items()
        }
        return replace(window, features=features, rows=window.rows + 4)

    windows = [day(start, age=0.04) for start in range(56, 70)]
    clean, dirty = (replay(each, baseline, SETTINGS) for each in (windows, map(corrupted, windows)))
    assert tiers(dirty) == tiers(clean)
    assert [each.suspects for each in dirty] == [each.suspects for each in clean]


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    """The fifteen p-values of their paper's example: four are found at 0.05."""
    p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0,
    ]  # fmt: skip
    named = {f"h{place:02}": p_value for place, p_value in enumerate(p_values)}
    assert discoveries(named, 0.05) == {"h00", "h01", "h02", "h03"}
    assert discoveries({}, 0.05) == frozenset()


def test_every_row_of_the_table_is_told_apart() -> None:
    """Tiers repeat, the words do not; the last row always holds."""
    words = [text for _, text, _ in TABLE]
    assert len(set(words)) == len(words)
    assert words[-1] == "otherwise"
    assert {tier for tier, _, _ in TABLE} == set(Tier)
    assert label(56) == "mon"
