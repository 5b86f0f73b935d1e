"""From the ledger's integers through a decision to the status: the design's golden values, and nothing on the way."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.rollout import Analysis, Step
from marquee.api.rollout_status import CohortCounts
from marquee.cli.recomputing import recompute
from marquee.contract.ledger import CohortStatistics, MetricKind, OutcomeStatistics
from marquee.control.decide import decide
from marquee.control.decide.facts import gather
from marquee.control.decide.integers import cohorts_of, counts_of
from marquee.control.decide.judging import judge
from marquee.control.snapshot import Snapshot
from marquee.evidence.policy import Mean
from marquee.evidence.rule import Judgement, Reason, Verdict
from marquee.judging.asking import declaration_of, policy_of
from tests.unit.control.builders import NOW
from tests.unit.control.ramps import GOOD, HARM, UNDECIDED, Ramp, away, counted, ramp, reading, record_of, statistics

GOLDEN = [(1000, 19000, 34, 760), (2000, 18000, 66, 720), (5000, 15000, 170, 600), (10000, 10000, 330, 400)]
"""Canary's and stable's exposures, canary's and stable's conversions of each cohort (design, canary.md)."""
LOG_E_HARM = [0.124556, 1.003769, 2.446568, 5.490098]
STEPS: list[dict[str, Any]] = [{"weight": 5}, {"weight": 10}, {"weight": 25}, {"weight": 50}]
GUARDED: dict[str, Any] = {
    "primary": {"outcome": "purchase"},
    "guardrails": [{"metric": "Errors"}, {"metric": "Outcome", "outcome": "complaint"}],
}


def _golden(upto: int) -> tuple[CohortStatistics, ...]:
    cohorts: list[CohortStatistics] = []
    for step, (canary, stable, bought, kept) in enumerate(GOLDEN[:upto]):
        cohorts += counted(step, (canary, bought), (stable, kept))
    return tuple(cohorts)


def replaced(cohort: CohortStatistics, **outcomes: OutcomeStatistics) -> CohortStatistics:
    """The cohort with these outcomes."""
    return cohort.model_copy(update={"outcomes": outcomes})


def _judged(observed: Snapshot) -> Judgement:
    judgement = gather(observed).rollout.judgement
    assert judgement is not None
    return judgement


@pytest.mark.parametrize("step", range(4))
def test_the_golden_ledger_gives_the_golden_evidence(step: int) -> None:
    """The e-value of harm after each cohort is the design's, through the whole path."""
    judgement = _judged(ramp(steps=STEPS, record=Ramp(step=step), ledger=reading(*_golden(step + 1))))
    assert judgement.findings[0].harm.log_e == pytest.approx(LOG_E_HARM[step], abs=1e-6)


def test_the_golden_ledger_rolls_back_at_its_last_cohort_alone() -> None:
    """Ln E = 2.45 is short of ln 20 = 3.00, and 5.49 is past it; the status tells both numbers."""
    held = decide(ramp(steps=STEPS, record=Ramp(step=2), ledger=reading(*_golden(3)))).status.rollout
    assert held is not None
    assert (held.verdict, held.result, held.evidence[0].harm) == ("Hold", None, "11.5 of 20")
    ended = decide(ramp(steps=STEPS, record=Ramp(step=3), ledger=reading(*_golden(4)))).status.rollout
    assert ended is not None
    assert (ended.verdict, ended.weight, ended.evidence[0].harm) == ("RolledBack", 0, "242.3 of 20")
    assert ended.evidence[0].counts == "600 of 18,000 against 2,480 of 62,000"
    assert "purchase 600 of 18,000 against 2,480 of 62,000; e-value of harm 242.3 >= 20" in ended.message


def test_the_status_is_enough_to_compute_the_verdict_again() -> None:
    """From spec and status alone, as ``kubectl marquee evidence`` does it: the same bits."""
    observed = ramp(steps=STEPS, record=Ramp(step=3), ledger=reading(*_golden(4)))
    plan = decide(observed)
    wire = plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    status = MarketingModelStatus.model_validate(wire)
    assert status.rollout is not None
    body = observed.model.model_copy(update={"status": status}).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    again = recompute(body, NOW)
    assert again.differences == ()
    assert [f.harm.log_e for f in again.judgement.findings] == [f.harm.log_e for f in _judged(observed).findings]


def test_a_promotion_tells_its_evidence() -> None:
    """The event and the condition of a passed step name the counts and the e-value."""
    plan = decide(ramp(record=Ramp(), ledger=GOOD))
    (notice,) = plan.notices
    assert notice.reason.value == "StepPassed"
    assert "purchase 4,400 of 100,000 against 36,000 of 900,000; e-value of non-inferiority" in notice.note


def test_what_the_ledger_counts_is_what_the_analysis_names() -> None:
    """The primary and each guardrail on an outcome; requests are counted anyway."""
    declaration = declaration_of(Analysis.model_validate(GUARDED))
    assert [metric.outcome for metric in declaration.metrics] == ["purchase", "complaint"]
    assert {metric.kind for metric in declaration.metrics} == {MetricKind.PROPORTION}


def test_revenue_is_counted_in_cents_up_to_its_cap() -> None:
    """A cap of 99.50 is 9,950 smallest units in the ledger and in the evidence."""
    primary = {"outcome": "revenue", "kind": "Mean", "values": {"cap": 99.5, "deviation": 20.0}}
    analysis = Analysis.model_validate({"primary": primary})
    (metric,) = declaration_of(analysis).metrics
    assert metric.scaled_cap == 9950
    record = record_of(ramp(record=Ramp()))
    assert record is not None
    policy = policy_of(analysis, record.weights)
    assert isinstance(policy.primary, Mean)
    assert policy.primary.cap == 9950


def _guarded(errors: int) -> Judgement:
    seen = OutcomeStatistics(successes=10, sum=10, sum_of_squares=10)
    cohorts = (
        [replace_counts(cohort, errors if cohort.arm == "canary" else 900, seen) for cohort in GOOD.statistics.cohorts]
        if GOOD.statistics is not None
        else []
    )
    told = statistics(*cohorts, metrics=("purchase", "complaint"))
    observed = ramp(analysis=GUARDED, record=Ramp(), ledger=replace(GOOD, statistics=told))
    return _judged(observed)


def replace_counts(cohort: CohortStatistics, errors: int, complaints: OutcomeStatistics) -> CohortStatistics:
    """The cohort with errors and complaints."""
    outcomes = cohort.outcomes | {"complaint": complaints}
    return cohort.model_copy(update={"errors": errors, "outcomes": outcomes})


def test_errors_of_requests_are_a_guardrail() -> None:
    """A canary whose requests fail is rolled back, however well it sells."""
    assert (_guarded(4000).verdict, _guarded(4000).reason) == (Verdict.ROLLBACK, Reason.HARM_SHOWN)
    assert _guarded(100).verdict is not Verdict.ROLLBACK


def test_time_alone_is_a_verdict_only_by_the_plan() -> None:
    """After maxDurationSeconds onInconclusive decides; before it, and without it, the step goes on."""
    record = record_of(ramp(record=Ramp()))
    assert record is not None
    assert UNDECIDED.statistics is not None
    found = []
    for policy in ("Hold", "Rollback"):
        analysis = Analysis.model_validate({"primary": {"outcome": "purchase"}, "onInconclusive": policy})
        for seconds in (59.9, 60.0):
            step = Step(weight=10, max_duration_seconds=60)
            now = record.step_started + timedelta(seconds=seconds)
            judgement = judge([step], analysis, record, UNDECIDED.statistics, now)
            found.append((judgement.verdict.value, judgement.reason.value))
    assert found == [
        ("Hold", "Collecting"), ("Hold", "Inconclusive"), ("Hold", "Collecting"), ("Rollback", "Inconclusive"),
    ]  # fmt: skip


def test_integers_of_before_an_outage_show_harm_and_nothing_else() -> None:
    """Evidence holds at every look, so harm stays shown; a promotion, or that time is up, waits for the ledger."""
    assert gather(ramp(record=Ramp(), ledger=away(HARM))).rollout.harmful
    for known in (GOOD, UNDECIDED):
        facts = gather(ramp(record=Ramp(), ledger=away(known))).rollout
        assert facts.judgement is None
        assert facts.trouble == "the ledger can't be read: connection refused; weights stay until it can"
    late = ramp(
        steps=[{"weight": 10, "maxDurationSeconds": 1}, {"weight": 50}],
        analysis={"primary": {"outcome": "purchase"}, "onInconclusive": "Rollback"},
        record=Ramp(),
        ledger=away(UNDECIDED),
    )
    assert not gather(late).rollout.harmful


def test_counts_that_contradict_each_other_allow_no_verdict() -> None:
    """More successes than units: the weight stays, and the condition says what is wrong."""
    impossible = reading(*counted(0, (10, 20), (90, 3)))
    status = decide(ramp(record=Ramp(), ledger=impossible)).status
    assert status.conditions[0].reason == "LedgerUnavailable"
    assert "allow no verdict" in status.conditions[0].message


def test_the_status_holds_the_integers_as_the_ledger_told_them() -> None:
    """Sums beyond 2^53 too, which JSON's readers would round as numbers: there and back nothing changes."""
    large = OutcomeStatistics(successes=3, sum=2**62 + 1, sum_of_squares=2**70 + 1)
    told = statistics(*(replaced(cohort, revenue=large) for cohort in counted(0, (10, 2), (90, 30))))
    wire = [count.model_dump(mode="json", by_alias=True) for count in counts_of(told)]
    assert cohorts_of([CohortCounts.model_validate(count) for count in wire]) == told.cohorts


def test_forged_cohorts_do_not_break_the_status() -> None:
    """Pods count what requests are stamped with; steps that never were are cut, and the planned ones stay."""
    forged = [cohort for step in range(100, 140) for cohort in counted(step, (1, 0), (1, 0))]
    assert GOOD.statistics is not None
    told = reading(*forged, *GOOD.statistics.cohorts)
    counts = counts_of(told.statistics)
    assert len(counts) == 32
    assert [(count.step, count.arm) for count in counts[:2]] == [(0, "canary"), (0, "stable")]
    wire = decide(ramp(record=Ramp(), ledger=told)).status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert MarketingModelStatus.model_validate(wire).rollout is not None


def test_a_forecast_is_told_and_time_alone_does_not_change_it() -> None:
    """It says how long a verdict takes; while no integer changes, no later look writes another status."""
    observed = ramp(record=Ramp(), ledger=UNDECIDED)
    status = decide(observed).status
    assert status.rollout is not None
    assert status.rollout.forecast.endswith("at today's traffic for a 20 % loss")
    model = observed.model.model_copy(update={"status": status})
    later = replace(observed, model=model, now=NOW + timedelta(hours=30))
    assert decide(later).status == status
    assert math.isfinite(_judged(later).stage.elapsed_seconds)
