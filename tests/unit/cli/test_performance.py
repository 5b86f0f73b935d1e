"""Realised performance in ``kubectl marquee drift``: what was promised and what came, by window."""

from __future__ import annotations

import json

from marquee.api.drift import Drift
from marquee.cli.drift_lines import document_of, drift_lines
from marquee.cli.screen import Screen
from marquee.judging.drifting import judge_drift
from tests.support.performance import performance_reply, watched

FOUND = performance_reply(13, lambda day: {"rate": 0.7} if day >= 36 else {})


def lines(drift: Drift, *, everything: bool = False) -> list[str]:
    verdict = judge_drift(FOUND, drift)
    return list(drift_lines("growth/lead", "lead-v1", FOUND, verdict, Screen(), everything=everything))


def test_each_window_shows_promise_and_truth() -> None:
    """The last two weeks, those that gape marked; all of them when asked."""
    told = lines(watched())
    start = next(place for place, line in enumerate(told) if "ConceptDrift" in line)
    assert told[start].split()[:2] == ["realised", "ConceptDrift:"]
    head = next(place for place, line in enumerate(told) if "AUC promised" in line)
    assert told[head].split()[:3] == ["window", "answers", "purchase"]
    rows = told[head + 1 :]
    assert len(rows) == 14
    assert [("*" in row) for row in rows] == [False] * 11 + [True] * 3
    assert "4,000" in rows[-1]
    assert "-2" in rows[-1]
    assert len(lines(watched(), everything=True)) - len(told) >= 25


def test_windows_of_a_broken_feed_are_shown_as_such() -> None:
    """In their place among the others, with what they show, and no p-value."""
    found = performance_reply(13, feed=lambda day: {"missing": 3_000} if day in {35, 37} else {})
    verdict = judge_drift(found, watched())
    told = list(drift_lines("growth/lead", "lead-v1", found, verdict, Screen()))
    assert "  left out  2 windows of a broken feed, not judged" in told
    head = next(place for place, line in enumerate(told) if "AUC promised" in line)
    rows = told[head + 1 :]
    assert [row.rstrip().endswith("broken feed") for row in rows] == [False] * 10 + [True, False, True, False]
    assert "4,000" in rows[-2]
    document = json.loads(document_of("growth/lead", "lead-v1", found, verdict))["performance"]
    assert [one["leftOut"] for one in document["windows"][-4:]] == ["BrokenFeed", None, "BrokenFeed", None]
    assert document["windows"][-2]["gaps"]["Calibration"]["pValue"] is None


def test_without_the_block_nothing_is_shown() -> None:
    """As before."""
    assert not any("realised" in line for line in lines(Drift()))


def test_json_has_every_window() -> None:
    """With both gaps and their p-values."""
    document = json.loads(document_of("growth/lead", "lead-v1", FOUND, judge_drift(FOUND, watched())))
    found = document["performance"]
    assert (found["verdict"], found["outcome"], len(found["windows"])) == ("ConceptDrift", "purchase", 39)
    last = found["windows"][-1]
    assert last["gaps"]["Calibration"]["effect"] < -0.25
    assert last["gaps"]["Calibration"]["pValue"] < 0.001
    assert 0.5 < last["realisedAuc"] < last["promisedAuc"]
