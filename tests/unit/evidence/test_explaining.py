"""Sentences for people: each with the numbers that decided."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from marquee.evidence import words
from marquee.evidence.counts import Arm, Cohort, Tally
from marquee.evidence.explaining import explain
from marquee.evidence.policy import Inconclusive, Mean, Policy, Stage
from marquee.evidence.rule import TABLE, Row, judge
from tests.unit.evidence.builders import ERRORS, HIGHER, SLOW, a_cohort, a_policy, golden_cohorts

STAGE = Stage(3, min_exposures=1_000, max_duration_seconds=7_200, elapsed_seconds=600)


def test_a_rollback_names_counts_and_e_value() -> None:
    """The golden ledger, in one line."""
    assert explain(judge(a_policy(), STAGE, golden_cohorts())) == (
        "rolled back: conversion 600 of 18,000 against 2,480 of 62,000; e-value of harm 242.3 >= 20"
    )


def test_a_rollback_names_every_metric_that_is_worse_and_no_other() -> None:
    """With the threshold of a guardrail."""
    cohort = Cohort(0, Arm(10_000, 300, errors=90), Arm(10_000, 400, errors=20), 50)
    said = explain(judge(a_policy(ERRORS, SLOW, steps=1), replace(STAGE, step=0), [cohort]))
    assert said.startswith("rolled back: conversion 300 of 10,000 against 400 of 10,000; e-value of harm ")
    assert "; errors 90 of 10,000 against 20 of 10,000; e-value of harm " in said
    assert said.endswith(">= 40")
    assert "slow" not in said


def test_a_hold_shows_how_far_it_is() -> None:
    """Both e-values beside what they have to reach."""
    assert explain(judge(a_policy(), replace(STAGE, step=2), golden_cohorts(3))) == (
        "held: conversion 270 of 8,000 against 2,080 of 52,000; e-values: harm 11.5 of 20, non-inferiority 0.09 of 20"
    )


def test_a_promotion_names_step_and_every_metric() -> None:
    """What was shown, metric by metric."""
    good = Arm(400_000, 16_000)
    said = explain(judge(a_policy(ERRORS, steps=1), replace(STAGE, step=0), [Cohort(0, good, good, 50)]))
    assert said.startswith("promoted: step 1 of 1, conversion 16,000 of 400,000 against 16,000 of 400,000; e-value of ")
    assert "; errors 0 of 400,000 against 0 of 400,000; e-value of non-inferiority over 1,000,000 >= 20" in said


def test_a_wrong_split_is_put_in_percent() -> None:
    """What was promised and what came."""
    skewed = a_cohort(Tally(2_400, 17_600, 96, 704), weight=10)
    said = explain(judge(a_policy(steps=1), replace(STAGE, step=0), [skewed]))
    assert said.startswith(
        "held: step 1 exposed 2,400 of 20,000 to the canary, 12 % where 10 % were promised; e-value "
    )
    assert said.endswith(">= 1,000")


def test_missing_data_says_what_is_missing() -> None:
    """Exposures of an arm, or outcomes of the primary."""
    silent = a_cohort(Tally(500, 500, 0, 0), step=3)
    assert explain(judge(a_policy(), STAGE, [])) == "held: step 4 has no exposure of one of the arms"
    assert explain(judge(a_policy(), STAGE, [silent])) == "held: no outcome of conversion for 1,000 exposures"


@pytest.mark.parametrize(("then", "done"), [(Inconclusive.HOLD, "held"), (Inconclusive.ROLLBACK, "rolled back")])
def test_time_that_is_up_is_named(then: Inconclusive, done: str) -> None:
    """With what the evidence had come to, and a wrong split if there was one."""
    policy = replace(a_policy(), on_inconclusive=then)
    late = replace(STAGE, elapsed_seconds=7_200)
    unclear = a_cohort(Tally(500, 500, 20, 20), step=3, weight=50)
    skewed = a_cohort(Tally(6_000, 4_000, 240, 160), step=3, weight=50)
    assert explain(judge(policy, late, [unclear])).startswith(
        f"{done}: no verdict within 2 h; conversion 20 of 500 against 20 of 500; e-values: harm "
    )
    assert "60 % where 50 % were promised" in explain(judge(policy, late, [skewed]))


def test_a_minimum_that_is_not_reached_is_named() -> None:
    """Exposures and time."""
    stage = replace(STAGE, step=0, min_exposures=500_000, min_duration_seconds=1_800)
    good = a_cohort(Tally(400_000, 400_000, 16_000, 16_000), weight=50)
    assert explain(judge(a_policy(), stage, [good])) == (
        "held: non-inferior already, but step 1 asks for 500,000 exposures of the canary and 30 min"
    )


def test_too_few_conversions_are_said_to_be_too_few() -> None:
    """Instead of a number."""
    policy = Policy(Mean("revenue", HIGHER, 0.1, cap=10, tuning=1.0))
    few = Cohort(0, Arm(500, 20, 100, 600), Arm(500, 20, 100, 600), 50)
    assert explain(judge(policy, replace(STAGE, step=0), [few])) == (
        "held: revenue 20 of 500 against 20 of 500; 20 conversions of canary, 100 are needed"
    )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_has_a_sentence(row: Row) -> None:
    """One line that begins with what was done, whatever the counts."""
    done = {"Promote": "promoted: ", "Rollback": "rolled back: ", "Hold": "held: "}
    for cohorts in ((), golden_cohorts(1), golden_cohorts()):
        said = explain(replace(judge(a_policy(ERRORS), STAGE, cohorts), row=row))
        assert said.startswith(done[row.verdict])
        assert "\n" not in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.001, "under 0.01"),
        (0.456, "0.46"),
        (9.99, "9.99"),
        (41.17, "41.2"),
        (12_345.6, "12,346"),
        (2e6, "over 1,000,000"),
    ],
)
def test_e_values_are_short(value: float, said: str) -> None:
    """Three or four digits."""
    assert words.e_value(math.log(value)) == said


def test_an_endless_e_value_has_a_word() -> None:
    """No overflow, at either end."""
    assert words.e_value(1e6) == "over 1,000,000"
    assert words.e_value(-1e6) == "under 0.01"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (40, "40 s"),
        (90, "2 min"),
        (2_220, "37 min"),
        (3_600, "60 min"),
        (10_713, "3 h"),
        (9_000, "2.5 h"),
        (50_000, "14 h"),
        (216_000, "2.5 d"),
        (4e7, "more than a year"),
        (math.inf, "more than a year"),
    ],
)
def test_durations_are_about(seconds: float, said: str) -> None:
    """One unit."""
    assert words.duration(seconds) == said


def test_percentages_are_short() -> None:
    """Three digits at most."""
    assert [words.percent(fraction) for fraction in (0.2, 0.025, 1.0)] == ["20 %", "2.5 %", "100 %"]
