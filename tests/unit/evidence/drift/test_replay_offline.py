"""The offline script says what the product says, of feeds that are quiet, drift, break, and are hardly there."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from scipy import stats

from marquee.api.drift import Drift
from marquee.cli.drift_evidence import evidence_of
from marquee.evidence.drift import replay_offline
from marquee.evidence.drift.replay_offline import student_tail, verdicts
from marquee.evidence.drift.verdict import Tier
from marquee.judging.drifting import judge_drift
from tests.support.drift import BASELINE, reply

Change = Callable[[int], dict[str, Any]]
FEEDS: dict[str, tuple[int, Change, Tier]] = {
    "quiet": (12, lambda _: {}, Tier.STABLE),
    "a category": (8, lambda day: {"city": 0.15} if day >= 7 else {}, Tier.INVESTIGATE),
    "a mean, for good": (12, lambda day: {"age": 0.2} if day >= 5 else {}, Tier.RETRAIN),
    "a small shift that adds up": (21, lambda _: {"age": 0.08}, Tier.RETRAIN),
    "missing": (9, lambda day: {"missing": 900} if day >= 6 else {}, Tier.BROKEN_FEED),
    "another type": (9, lambda day: {"wrong": 200} if day == 8 else {}, Tier.BROKEN_FEED),
    "vanished": (9, lambda day: {"vanished": True} if day == 8 else {}, Tier.BROKEN_FEED),
    "unseen": (9, lambda day: {"unseen": 900} if day >= 8 else {}, Tier.BROKEN_FEED),
    "silent": (9, lambda day: {"rows": 0} if day == 8 else {}, Tier.BROKEN_FEED),
    "sent five times": (9, lambda day: {"rows": 20_000} if day == 8 else {}, Tier.BROKEN_FEED),
}


def evidence(days: int, change: Change, drift: Drift | None = None) -> Any:
    """What the plugin writes of so many days after the baseline, each changed as told, and the product's verdict."""
    drift = drift or Drift()
    verdict = judge_drift(reply(days, lambda day: change(day - BASELINE) if day >= BASELINE else {}), drift)
    return json.loads(evidence_of("growth/lead", "lead-v1", verdict, drift)), verdict


@pytest.mark.parametrize("feed", FEEDS)
def test_it_says_what_the_product_says(feed: str) -> None:
    """Of each window since the baseline."""
    days, change, expected = FEEDS[feed]
    written, verdict = evidence(days, change)
    assert verdict.assessments[-1].tier is expected
    assert verdicts(written) == [each.tier.value for each in verdict.assessments]


def test_thresholds_of_the_spec_are_followed() -> None:
    """A floor that nothing reaches makes a shift no matter."""
    drift = Drift.model_validate(
        {"thresholds": {"effectFloor": 5, "confirmations": 2}, "quality": {"missingRise": 0.5}}
    )
    written, verdict = evidence(9, lambda day: {"city": 0.15, "missing": 900} if day >= 6 else {}, drift)
    assert verdicts(written) == [each.tier.value for each in verdict.assessments]
    assert "BrokenFeed" not in verdicts(written)


def test_too_few_rows_are_no_verdict() -> None:
    """Where the volume may fall as far as it does."""
    written, verdict = evidence(9, lambda _: {"rows": 40}, Drift.model_validate({"quality": {"volumeLow": 0.001}}))
    assert verdicts(written) == [each.tier.value for each in verdict.assessments] == ["InsufficientData"] * 9


@pytest.mark.parametrize("degrees", [1.0, 2.5, 21.0, 300.0])
def test_its_own_students_t(degrees: float) -> None:
    """Within a millionth, down to tails that no threshold reaches."""
    for statistic in (0.0, 0.3, 1.0, 3.0, 8.0):
        assert math.isclose(student_tail(statistic, degrees), stats.t.sf(statistic, degrees), rel_tol=1e-5), statistic


def test_a_forged_verdict_is_found() -> None:
    """Run as a script, without anything of ours: 0 where all follows, 1 where a verdict does not."""
    written, _ = evidence(9, lambda day: {"city": 0.15} if day >= 8 else {})

    def run() -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-I", replay_offline.__file__]
        return subprocess.run(argv, input=json.dumps(written), capture_output=True, text=True, check=False)

    honest = run()
    assert (honest.returncode, honest.stdout.splitlines()[-1]) == (0, "every verdict follows from the integers")
    assert len(honest.stdout.splitlines()) == 10
    written["windows"][-1]["verdict"] = "Stable"
    forged = run()
    assert forged.returncode == 1
    assert "Investigate, and was told as Stable" in forged.stdout
