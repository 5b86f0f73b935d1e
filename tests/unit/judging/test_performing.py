"""From the ledger's windows of outcomes to a verdict on performance: every state, in words."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.api.drift import Drift
from marquee.contract.drift import DRIFT_PATH, DriftReply
from marquee.contract.ledger import MetricDeclaration, MetricKind
from marquee.contract.performance import PerformanceReply, PerformanceWindow
from marquee.evidence.drift.realising import Unusable
from marquee.judging.drifting import judge_drift
from marquee.judging.performing import PerformanceState, drift_path, judge_performance, windows_wanted
from tests.support.drift import FIRST, PROFILE
from tests.support.performance import METRIC, performance_reply, watched

QUIET = performance_reply(12)


def judged(change: Callable[[int], dict[str, Any]], days: int = 12, **spec: Any) -> Any:
    return judge_performance(performance_reply(days, change), watched(**spec))


def changed(found: DriftReply, since: int, update: dict[str, Any]) -> DriftReply:
    """Windows from a day on."""
    assert found.performance is not None
    windows = tuple(
        window.model_copy(update=update) if window.index >= FIRST + since else window
        for window in found.performance.windows
    )
    return found.model_copy(update={"performance": found.performance.model_copy(update={"windows": windows})})


def test_without_the_block_nothing_is_judged() -> None:
    """Drift is, all the same."""
    assert judge_performance(QUIET, Drift()) is None
    assert judge_drift(QUIET, Drift()).performance is None


@pytest.mark.parametrize(
    ("found", "spec", "words"),
    [
        (QUIET.model_copy(update={"profile": None}), {}, "no pod of the revision has reported"),
        (QUIET.model_copy(update={"profile": PROFILE.model_copy(update={"score": None})}), {}, "has no mean scores"),
        (QUIET.model_copy(update={"traces": False}), {}, "do not say the score"),
        (QUIET.model_copy(update={"performance": None}), {}, "begins to count the outcome purchase now"),
        (QUIET, {"outcome": "renewal"}, "begins to count the outcome renewal now"),
        (performance_reply(-26), {}, "outcomes of the first window are waited for"),
        (QUIET.model_copy(update={"first": None}), {}, "outcomes of the first window are waited for"),
        (performance_reply(-20), {}, "6 windows were measured; how much they waver is known after 7"),
    ],
)
def test_what_is_not_known_is_said(found: DriftReply, spec: dict[str, Any], words: str) -> None:
    """Which is not the same as no change."""
    verdict = judge_performance(found, watched(**spec))
    assert verdict is not None
    assert verdict.state is PerformanceState.INSUFFICIENT_DATA
    assert words in verdict.message
    assert verdict.loss is None


def test_a_spend_is_no_probability() -> None:
    """And values need no probability."""
    score = PROFILE.score
    assert score is not None
    spend = PROFILE.model_copy(update={"score": score.model_copy(update={"means": tuple(map(float, range(20)))})})
    verdict = judge_performance(QUIET.model_copy(update={"profile": spend}), watched())
    assert verdict is not None
    assert verdict.message == "the score is no probability: set kind Mean for values"


def test_scores_that_keep_their_promise_are_stable() -> None:
    """The last window is the last one that has matured."""
    verdict = judged(lambda _: {})
    assert verdict.state is PerformanceState.STABLE
    assert verdict.message.endswith("outcomes of 4,000 answers are what the scores promise")
    assert verdict.started == datetime.fromtimestamp((FIRST + 37) * 86_400, UTC)
    assert verdict.last.performance.auc == pytest.approx(verdict.last.promised.auc, abs=0.02)
    assert (verdict.loss or 0) < 0.01


def test_a_changed_relation_is_concept_drift_when_it_has_stayed() -> None:
    """Three matured windows; two are told as not confirmed."""
    fewer = lambda day: {"rate": 0.7} if day >= 36 else {}  # noqa: E731
    two = judged(fewer)
    assert two.state is PerformanceState.STABLE
    assert "% below the promise, 2 windows in a row" in two.message
    assert two.message.endswith(", not confirmed yet")
    three = judged(fewer, 13)
    assert three.state is PerformanceState.CONCEPT_DRIFT
    assert three.message.startswith("scores do not keep what they promise: outcomes are 2")
    assert "% below the promise, 3 windows in a row" in three.message


def test_order_that_is_lost_is_a_loss() -> None:
    """As many outcomes as promised, but not where: the area falls, and what is lost for certain is told."""
    verdict = judged(lambda day: {"slope": 0.5} if day >= 30 else {})
    assert verdict.state is PerformanceState.CONCEPT_DRIFT
    assert "the area under the curve is 0." in verdict.message
    assert 0.1 < verdict.loss < 0.25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcomes": (0,) * 20}, "had no outcome at all: are outcomes reported?"),
        ({"rows": (0,) * 20, "outcomes": (0,) * 20}, "had no answer whose id says its score"),
        ({"rows": (0,) * 20}, "has more outcomes than answers: counters were lost"),
        ({"rows": (1,) * 19 + (0,), "outcomes": (0,) * 20}, "promised too few outcomes to judge"),
    ],
)
def test_what_is_not_measured_for_too_long_is_stale(change: dict[str, Any], words: str) -> None:
    """No concept drift: a feed is dead. Until then the last measured window holds."""
    days = {"staleAfterSeconds": 3 * 86_400}
    soon = judge_performance(changed(QUIET, 35, change), watched(**days))
    late = judge_performance(changed(QUIET, 34, change), watched(**days))
    assert soon is not None
    assert late is not None
    assert (soon.state, late.state) == (PerformanceState.STABLE, PerformanceState.STALE)
    assert f": the last window {words}" in late.message
    assert late.started == datetime.fromtimestamp((FIRST + 33) * 86_400, UTC)


def broken_from(first: int, *, days: int, scores: float) -> Any:
    """The verdict where ages were missing on the days from one on, and fewer bought than the scores promised."""
    bad = range(first, first + 4)
    found = performance_reply(
        days,
        lambda day: {"rate": scores} if day in bad else {},
        lambda day: {"missing": 3_000} if day in bad else {},
    )
    return judge_drift(found, watched()).performance


@pytest.mark.parametrize(("first", "days"), [(34, 12), (36, 13), (40, 42), (3, 12)])
def test_windows_of_a_broken_feed_tell_nothing_of_the_model(first: int, days: int) -> None:
    """New ones, the last ones, ones from before the windows that drift adds up, and those of the baseline."""
    verdict = broken_from(first, days=days, scores=0.6)
    assert verdict.state is PerformanceState.STABLE
    assert [one.window - FIRST for one in verdict.broken] == list(range(first, min(first + 4, 26 + days)))
    assert {one.unusable for one in verdict.broken} == {Unusable.BROKEN_FEED}
    assert [one.window for one in verdict.windows] == sorted(one.window for one in verdict.windows)
    assert "not confirmed" not in verdict.message


def test_a_feed_that_stays_broken_leaves_nothing_to_measure() -> None:
    """Which is told as such after a time."""
    found = performance_reply(20, feed=lambda day: {"missing": 3_000} if day >= 30 else {})
    verdict = judge_drift(found, watched(staleAfterSeconds=7 * 86_400)).performance
    assert verdict is not None
    assert verdict.state is PerformanceState.STALE
    assert verdict.message.endswith("the last window is one of a broken feed: repair it")


def test_a_changed_relation_is_seen_across_a_broken_day() -> None:
    """It neither confirms nor takes back."""
    found = performance_reply(
        14, lambda day: {"rate": 0.7} if day >= 36 else {}, lambda day: {"missing": 3_000} if day == 38 else {}
    )
    verdict = judge_drift(found, watched()).performance
    assert verdict is not None
    assert verdict.state is PerformanceState.CONCEPT_DRIFT
    assert "3 windows in a row" in verdict.message


def test_values_are_judged_by_their_mean() -> None:
    """A fifth less is spent than predicted, from a day on."""
    score = PROFILE.score
    assert score is not None
    means = tuple(float(place + 1) for place in range(20))
    profile = PROFILE.model_copy(update={"score": score.model_copy(update={"means": means})})
    metric = MetricDeclaration(outcome="purchase", kind=MetricKind.MEAN, cap=500.0)
    draw, told = random.Random(1), []
    for day in range(40):
        times = 80 if day >= 30 else 100
        spent = [[round(times * mean * draw.uniform(0.5, 1.5)) for _ in range(20)] for mean in means]
        told.append(
            PerformanceWindow(
                index=FIRST + day,
                rows=(20,) * 20,
                outcomes=(20,) * 20,
                totals=tuple(map(sum, spent)),
                squares=tuple(sum(value * value for value in values) for values in spent),
            )
        )
    reply = PerformanceReply(metric=metric, windows=tuple(told))
    found = QUIET.model_copy(update={"profile": profile, "performance": reply})
    verdict = judge_performance(found, watched(kind="Mean", cap=500))
    assert verdict is not None
    assert verdict.last is not None
    assert verdict.state is PerformanceState.CONCEPT_DRIFT
    assert verdict.last.mean_error == pytest.approx(-2.1, abs=0.3)
    assert verdict.last.root_mean_square_error == pytest.approx(4, abs=1)
    assert verdict.loss is None


def test_windows_that_mature_late_are_asked_for() -> None:
    """So many more as outcomes take, as far as the ledger keeps them."""
    assert windows_wanted(Drift()) == 0
    assert windows_wanted(watched()) == 30
    assert windows_wanted(watched(matureAfterSeconds=3_628_800)) == 56
    assert drift_path("crm/lead", "lead-v1", watched()) == (
        f"{DRIFT_PATH}/crm/lead/lead-v1?seconds=86400&baseline=28&last=30&performance=30"
    )


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_same_integers_give_the_same_verdict(draw: random.Random) -> None:
    """In whatever order the ledger lists its windows."""
    assert QUIET.performance is not None
    windows = list(QUIET.performance.windows)
    draw.shuffle(windows)
    mixed = QUIET.model_copy(update={"performance": PerformanceReply(metric=METRIC, windows=tuple(windows))})
    assert judge_performance(mixed, watched()) == judge_performance(QUIET, watched())
