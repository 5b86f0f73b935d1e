"""From the ledger's windows to a verdict on drift: every state, in words, and the same however the counts came."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.api.drift import Alike, Drift
from marquee.contract.drift import DriftReply, DriftWindow, Layout, add_up, pack
from marquee.contract.manifest import ReferenceProfile
from marquee.evidence.drift.settings import DriftSettings
from marquee.evidence.errors import CountsError
from marquee.judging.drifting import DriftState, judge_drift
from marquee.judging.windows import label_of, settings_of
from tests.support.drift import FIRST, PROFILE, counters_of, reply


def judged(change: Callable[[int], dict[str, Any]] = lambda _: {}, *, days: int = 6, **drift: Any) -> Any:
    """The verdict some days after a baseline of 28, with days changed as ``change`` of their number says."""
    return judge_drift(reply(days, change), Drift.model_validate(drift))


def test_defaults_are_those_of_the_evidence() -> None:
    """What the API says when nothing is said is what the mathematics was measured with."""
    assert settings_of(Drift()) == DriftSettings()


def test_alike_days_are_stable() -> None:
    """Weekends that differ are no drift; the score is good by its own promise."""
    verdict = judged()
    assert verdict.state is DriftState.STABLE
    assert "rows are like 4 windows of the baseline" in verdict.message
    assert verdict.started == datetime.fromtimestamp((FIRST + 33) * 86_400, UTC)
    assert [assessment.window for assessment in verdict.assessments] == list(range(FIRST + 28, FIRST + 34))
    assert verdict.estimate.auc == pytest.approx(0.8325)


def test_one_shifted_day_is_looked_into() -> None:
    """A tenth of the rows from another city, on the last day only."""
    verdict = judged(lambda day: {"city": 0.1} if day == 33 else {})
    assert verdict.state is DriftState.INVESTIGATE
    assert [suspect.feature for suspect in verdict.suspects] == ["city"]
    assert verdict.suspects[0].stability_index == pytest.approx(0.047, abs=0.01)
    assert verdict.message.startswith("what the model sees differs from its baseline: city (PSI 0.0")


@pytest.mark.parametrize("change", [lambda _: {}, lambda day: {"city": 0.1} if day == 33 else {}])
@pytest.mark.parametrize("place", ["below", "above", "missing", "wrong", "unseen"])
def test_one_corrupt_value_in_each_column_changes_no_verdict(
    change: Callable[[int], dict[str, Any]], place: str
) -> None:
    """A million, minus a million, NaN, a text, an unknown category: once in each window."""
    found = reply(6, change)
    blocks = Layout(PROFILE, "p").blocks

    def corrupted(window: DriftWindow) -> DriftWindow:
        counters = list(window.counters)
        counters[0] += 1
        for block in blocks:
            at = {"below": 0, "above": block.bins - 1, "missing": block.bins, "wrong": block.bins + 1}
            counters[block.start + at.get(place, block.bins + 2)] += 1
        return window.model_copy(update={"counters": tuple(counters)})

    spoilt = found.model_copy(update={"windows": tuple(map(corrupted, found.windows))})
    before, after = judge_drift(found, Drift()), judge_drift(spoilt, Drift())
    assert [one.tier for one in after.assessments] == [one.tier for one in before.assessments]
    assert [one.suspects for one in after.assessments] == [one.suspects for one in before.assessments]


def test_a_score_that_separates_less_loses_by_its_own_promise() -> None:
    """All rows in the middle of the scores: half of the pairs are ordered by chance."""
    found = reply(6)
    block = Layout(PROFILE, "p").blocks[-1]
    last = list(found.windows[-1].counters)
    last[block.start : block.start + block.bins] = [0] * 9 + [2_000, 2_000] + [0] * 9
    flat = found.windows[-1].model_copy(update={"counters": tuple(last)})
    verdict = judge_drift(found.model_copy(update={"windows": (*found.windows[:-1], flat)}), Drift())
    assert verdict.usual is not None
    assert verdict.usual.auc == pytest.approx(0.8325)
    assert verdict.estimate is not None
    assert verdict.estimate.auc == pytest.approx(0.525)
    assert verdict.estimated_loss == pytest.approx(1 - 0.525 / 0.8325, abs=1e-4)


def test_without_a_probability_there_is_no_estimate() -> None:
    """A spend of 40 is no promise of anything."""
    score = PROFILE.score
    assert score is not None
    spend = score.model_copy(update={"means": tuple(40.0 + mean for mean in score.means)})
    found = reply(6).model_copy(update={"profile": PROFILE.model_copy(update={"score": spend})})
    verdict = judge_drift(found, Drift())
    assert (verdict.estimate, verdict.usual, verdict.estimated_loss) == (None, None, None)


def test_three_shifted_days_ask_for_a_retraining() -> None:
    """In a row."""
    verdict = judged(lambda day: {"age": 0.5} if day > 30 else {})
    assert verdict.state is DriftState.RETRAIN
    assert "age" in verdict.message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": 0}, "requests: Silent, 0 rows where 4,000 are usual"),
        ({"rows": 400}, "requests: FewRows, 400 rows"),
        ({"rows": 40_000}, "requests: ManyRows"),
        ({"missing": 1_000}, "age: Missing 25.0% where 0.0% is usual"),
        ({"wrong": 1_000}, "age: WrongType"),
        ({"unseen": 1_600}, "city: Unseen 40.0% where 0.0% is usual"),
        ({"vanished": True}, "age: Vanished"),
        ({"age": 40.0}, "age: OutOfRange"),
    ],
)
def test_a_broken_feed_is_no_drift(change: dict[str, Any], words: str) -> None:
    """Each fault says what was seen and what is usual."""
    verdict = judged(lambda day: change if day == 33 else {})
    assert verdict.state is DriftState.BROKEN_FEED
    assert words in verdict.message
    assert verdict.message.endswith("; repair it, nothing is retrained by it")


def test_a_window_that_counted_nothing_at_all_is_silent() -> None:
    """The ledger does not list it; it is a window all the same."""
    found = reply(6)
    cut = found.model_copy(update={"windows": found.windows[:-1]})
    assert judge_drift(cut, Drift()).state is DriftState.BROKEN_FEED


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (reply(0).model_copy(update={"profile": None, "first": None}), DriftState.INSUFFICIENT_DATA, "no pod of the"),
        (
            reply(0).model_copy(update={"profile": ReferenceProfile(rows=0, features={})}),
            DriftState.NO_PROFILE,
            "has no reference profile",
        ),
        (reply(0).model_copy(update={"first": None}), DriftState.INSUFFICIENT_DATA, "no complete window yet"),
        (reply(-10), DriftState.INSUFFICIENT_DATA, "the baseline has 18 of 28 windows"),
        (reply(0), DriftState.INSUFFICIENT_DATA, "the baseline has 28 of 28 windows"),
    ],
)
def test_what_is_not_known_is_said(found: DriftReply, state: DriftState, words: str) -> None:
    """Which is not the same as no drift."""
    verdict = judge_drift(found, Drift())
    assert verdict.state is state
    assert words in verdict.message
    assert verdict.window is None


def test_too_few_rows_are_no_verdict() -> None:
    """Forty rows a day show no PSI of 0.005."""
    verdict = judged(lambda _: {"rows": 40})
    assert verdict.state is DriftState.INSUFFICIENT_DATA
    assert verdict.message.startswith("40 rows are too few to see a PSI of 0.005")


def test_a_label_without_a_baseline_is_no_verdict() -> None:
    """A first sale is like nothing before it."""
    day = datetime.fromtimestamp((FIRST + 33) * 86_400, UTC).date().isoformat()
    verdict = judged(calendar=[{"label": "sale", "start": day, "end": day}])
    assert verdict.state is DriftState.INSUFFICIENT_DATA
    assert verdict.message == "the baseline has 0 windows like sale, and needs 3"


def test_labels() -> None:
    """The weekday, with the hour where windows are shorter; the calendar first; nothing where all are alike."""
    monday = 20_003
    assert label_of(monday, Drift()) == "Mon"
    assert label_of(monday * 4 + 1, Drift(window_seconds=21_600, baseline_windows=112)) == "Mon 06:00"
    assert label_of(monday, Drift(alike=Alike.NONE)) == ""


def test_an_answer_after_midnight_breaks_no_window() -> None:
    """A score may be counted one slice later than its row."""
    found = reply(6)
    block = Layout(PROFILE, "p").blocks[-1]
    last = list(found.windows[-1].counters)
    last[block.start] += 3
    late = found.windows[-1].model_copy(update={"counters": tuple(last)})
    verdict = judge_drift(found.model_copy(update={"windows": (*found.windows[:-1], late)}), Drift())
    assert verdict.state is DriftState.STABLE


def test_counters_of_other_bins_are_an_error() -> None:
    """No guess is made of integers that contradict each other."""
    found = reply(6)
    negative = found.windows[-1].model_copy(update={"counters": (*found.windows[-1].counters[:-1], -1)})
    with pytest.raises(CountsError):
        judge_drift(found.model_copy(update={"windows": (negative,)}), Drift())


ROWS = counters_of(FIRST + 33, rows=4_000)
WHOLE = reply(6)
EXPECTED = judge_drift(WHOLE, Drift())


@given(st.integers(1, 100), st.integers(0, 2**32))
def test_replicas_their_order_and_restarts_change_no_bit(replicas: int, seed: int) -> None:
    """A day's counters split over 1 to 100 replicas, in any order, each restarted at will: the same verdict."""
    draw = random.Random(seed)
    parts = split(ROWS, replicas, draw)
    draw.shuffle(parts)
    merged: list[bytes] = []
    for part in parts:  # what the ledger does with each batch: added to the slice that is there
        merged = [pack(add_up([*merged, pack(part)], len(ROWS)))]
    counters = tuple(add_up(merged, len(ROWS)))
    again = WHOLE.model_copy(
        update={"windows": (*WHOLE.windows[:-1], DriftWindow(index=FIRST + 33, counters=counters))}
    )
    assert judge_drift(again, Drift()) == EXPECTED


def split(counters: Sequence[int], replicas: int, draw: random.Random) -> list[list[int]]:
    """Parts that add up to the counters."""
    parts = [[0] * len(counters) for _ in range(replicas)]
    for place, count in enumerate(counters):
        left = count
        for part in parts[:-1]:
            part[place] = draw.randint(0, left)
            left -= part[place]
        parts[-1][place] = left
    return parts
