"""The table of verdicts: every combination of facts, each row by real counts, and no verdict without data."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.evidence.blocks import weigh_blocks
from marquee.evidence.counts import Arm, Cohort, Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.finding import by_blocks, find
from marquee.evidence.means import tuning_for
from marquee.evidence.policy import Inconclusive, Mean, Policy, Stage
from marquee.evidence.records import read_cohorts, write_cohorts
from marquee.evidence.rule import GLOSSARY, TABLE, Facts, Judgement, Reason, Verdict, decide, gather, judge, match
from tests.unit.evidence.builders import (
    CONVERSION,
    ERRORS,
    HIGHER,
    LOWER,
    SLOW,
    a_cohort,
    a_policy,
    golden_cohorts,
    ledgers,
)

EVERY_FACTS = [Facts(*truths) for truths in product((False, True), repeat=len(fields(Facts)))]
HOUR = 3_600.0

BAD = a_cohort(Tally(10_000, 10_000, 300, 400), weight=50)
GOOD = a_cohort(Tally(400_000, 400_000, 16_000, 16_000), weight=50)
UNCLEAR = a_cohort(Tally(1_000, 1_000, 40, 40), weight=50)
SKEWED = a_cohort(Tally(12_000, 8_000, 480, 320), weight=50)
SILENT = a_cohort(Tally(1_000, 1_000, 0, 0), weight=50)
GOOD_BUT_SKEWED = a_cohort(Tally(440_000, 360_000, 17_600, 14_400), weight=50)
BAD_AND_SKEWED = a_cohort(Tally(12_000, 8_000, 360, 320), weight=50)

FRESH = Stage(min_exposures=500, max_duration_seconds=HOUR, elapsed_seconds=60)
OVERDUE = replace(FRESH, elapsed_seconds=HOUR)
DEMANDING = replace(FRESH, min_exposures=500_000)
HASTY = replace(FRESH, min_duration_seconds=600)

SITUATIONS: dict[str, tuple[str, list[Cohort], Stage]] = {
    "fewer conversions": ("harm", [BAD], FRESH),
    "fewer conversions, time is up": ("harm", [BAD], OVERDUE),
    "fewer conversions in a wrong split": ("harm", [BAD_AND_SKEWED], FRESH),
    "nobody came": ("nothing seen", [], FRESH),
    "nobody came, time is up": ("nothing seen", [], OVERDUE),
    "no unit of the canary yet": ("nothing seen", [a_cohort(Tally(0, 1_000, 0, 40))], FRESH),
    "no unit of stable yet": ("nothing seen", [a_cohort(Tally(1_000, 0, 40, 0))], FRESH),
    "exposures, and no outcome in either arm": ("nothing seen", [SILENT], FRESH),
    "no outcome in either arm, time is up": ("nothing seen", [SILENT], OVERDUE),
    "exposures in another step only": ("nothing seen", [GOOD], replace(FRESH, step=1)),
    "60 percent where 50 were promised": ("wrong split", [SKEWED], FRESH),
    "good in a wrong split": ("wrong split", [GOOD_BUT_SKEWED], FRESH),
    "as good as stable": ("good", [GOOD], FRESH),
    "as good as stable, time is up": ("good", [GOOD], OVERDUE),
    "as good, before the exposures asked for": ("too early", [GOOD], DEMANDING),
    "as good, before the time asked for": ("too early", [GOOD], HASTY),
    "unclear": ("collecting", [UNCLEAR], FRESH),
    "unclear, time is up": ("stuck", [UNCLEAR], OVERDUE),
    "good in a wrong split, time is up": ("stuck", [GOOD_BUT_SKEWED], OVERDUE),
    "as good, too few exposures, time is up": ("stuck", [GOOD], replace(DEMANDING, elapsed_seconds=HOUR)),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_reaches_its_row(name: str) -> None:
    """From integers to the row."""
    row, cohorts, stage = SITUATIONS[name]
    assert judge(a_policy(), stage, cohorts).row.name == row


def test_an_impatient_policy_gives_up_when_time_is_up() -> None:
    """And not before, nor when nothing was seen."""
    policy = replace(a_policy(), on_inconclusive=Inconclusive.ROLLBACK)
    assert judge(policy, OVERDUE, [UNCLEAR]).row.name == "given up"
    assert judge(policy, FRESH, [UNCLEAR]).row.name == "collecting"
    assert judge(policy, OVERDUE, [SILENT]).row.name == "nothing seen"
    assert judge(policy, OVERDUE, [GOOD]).row.name == "good"


def test_every_row_is_reached_by_integers() -> None:
    """No row is there for show."""
    reached = {row for row, _, _ in SITUATIONS.values()} | {"given up"}
    assert reached == {row.name for row in TABLE}


@pytest.mark.parametrize("facts", EVERY_FACTS)
def test_the_table_keeps_its_promises(facts: Facts) -> None:
    """For all 128 combinations of facts."""
    row = match(facts)
    gave_up = facts.overdue and facts.impatient and not facts.empty
    assert (row.verdict is Verdict.ROLLBACK) <= (facts.harmful or gave_up)
    assert facts.harmful <= (row.verdict is Verdict.ROLLBACK)
    assert (row.verdict is Verdict.PROMOTE) == (
        facts.noninferior and facts.ripe and not (facts.harmful or facts.empty or facts.mismatched)
    )
    if facts.empty and not facts.harmful:
        assert (row.verdict, row.reason) == (Verdict.HOLD, Reason.NO_DATA)
    if facts.mismatched and not facts.harmful:
        assert row.verdict is not Verdict.PROMOTE
        assert row.verdict is Verdict.HOLD or gave_up


def test_words_are_explained() -> None:
    """Each word of the table is in the glossary."""
    told = {word.removeprefix("not ") for row in TABLE for word in row.when.words.split(", and ")}
    assert told - {"otherwise"} == set(GLOSSARY)


def test_a_table_ends_with_a_row_that_always_holds() -> None:
    """So there is always a verdict."""
    assert TABLE[-1].when.words == "otherwise"
    assert TABLE[-1].verdict is Verdict.HOLD


def test_findings_of_another_policy_are_refused() -> None:
    """In number or order."""
    findings = judge(a_policy(ERRORS), FRESH, [GOOD]).findings
    with pytest.raises(QuestionError, match=r"^findings: "):
        decide(a_policy(ERRORS), FRESH, [GOOD], findings[::-1])
    with pytest.raises(QuestionError, match=r"^findings: "):
        decide(a_policy(), FRESH, [GOOD], findings)


def test_a_step_outside_of_the_plan_is_refused() -> None:
    """Cohorts of a fifth step in a plan of four belong to another rollout."""
    with pytest.raises(QuestionError, match=r"^steps: "):
        judge(a_policy(steps=4), FRESH, [a_cohort(Tally(5, 5, 0, 0), step=4, weight=50)])


def errors_of(canary: int, stable: int, conversions: int = 16_000) -> Cohort:
    """Good conversions, with errors."""
    good = (conversions, 10 * conversions, 100 * conversions)
    return Cohort(0, Arm(400_000, *good, errors=canary), Arm(400_000, *good, errors=stable), 50)


class TestGuardrails:
    """Errors and slow answers beside conversions."""

    def test_harm_to_a_guardrail_rolls_back(self) -> None:
        """However good the primary is."""
        judgement = judge(a_policy(ERRORS, SLOW), FRESH, [errors_of(900, 400)])
        assert (judgement.verdict, judgement.reason) == (Verdict.ROLLBACK, Reason.HARM_SHOWN)
        assert [finding.harm.shown for finding in judgement.findings] == [False, True, False]

    def test_harm_to_a_guardrail_rolls_back_before_the_first_conversion(self) -> None:
        """A canary that fails for everybody gets no conversions: that is no lack of data."""
        judgement = judge(a_policy(ERRORS), FRESH, [Cohort(0, Arm(1_000, errors=1_000), Arm(19_000, errors=20), 5)])
        assert judgement.reason is Reason.HARM_SHOWN

    def test_guardrails_are_held_against_their_share_of_alpha(self) -> None:
        """Evidence between 1/alpha and K/alpha rolls back for a primary, not for one of two guardrails."""
        cohort = errors_of(100, 64)
        alone = find(a_policy(ERRORS), ERRORS, [cohort]).harm
        assert math.log(20) <= alone.log_e < math.log(40)
        assert judge(a_policy(ERRORS), FRESH, [cohort]).verdict is Verdict.ROLLBACK
        assert judge(a_policy(ERRORS, SLOW), FRESH, [cohort]).verdict is not Verdict.ROLLBACK

    def test_every_metric_has_to_be_non_inferior(self) -> None:
        """A guardrail that is not shown to be harmless holds a good primary."""
        strict = replace(ERRORS, tolerated_rate=None)
        judgement = judge(a_policy(strict), FRESH, [errors_of(20, 20)])
        assert judgement.findings[0].noninferior.shown
        assert not judgement.findings[1].noninferior.shown
        assert judgement.reason is Reason.COLLECTING

    def test_events_too_rare_to_compare_do_not_hold_for_ever(self) -> None:
        """Without an error in either arm a3 has nothing to say; a tolerated rate has."""
        strict = replace(ERRORS, tolerated_rate=None)
        assert judge(a_policy(strict), FRESH, [errors_of(0, 0)]).reason is Reason.COLLECTING
        assert judge(a_policy(ERRORS), FRESH, [errors_of(0, 0)]).verdict is Verdict.PROMOTE

    def test_a_tolerated_rate_excuses_no_harm(self) -> None:
        """Shown to be worse is shown to be worse."""
        judgement = judge(a_policy(ERRORS), FRESH, [errors_of(120, 30)])
        assert judgement.findings[1].noninferior.shown
        assert judgement.reason is Reason.HARM_SHOWN


class TestMeans:
    """Revenue as the primary."""

    def policy(self, direction: str = "up") -> Policy:
        """Tuned to 20,000 exposures with a deviation of 4."""
        tuning = tuning_for(deviation=4, exposures=20_000, share=0.5, alpha=0.05)
        return Policy(Mean("revenue", HIGHER if direction == "up" else LOWER, 0.2, cap=40, tuning=tuning))

    def cohort(self, canary: int, stable: int) -> Cohort:
        """A thousand conversions an arm, of two values around one."""

        def arm(value: int) -> Arm:
            return Arm(10_000, 1_000, 1_000 * value, 500 * ((value - 5) ** 2 + (value + 5) ** 2))

        return Cohort(0, arm(canary), arm(stable), 50)

    def test_less_revenue_is_harm(self) -> None:
        """And more is not, though the evidence of a difference is as strong."""
        worse, better = (judge(self.policy(), FRESH, [self.cohort(*pair)]) for pair in ((10, 30), (30, 10)))
        assert worse.reason is Reason.HARM_SHOWN
        assert better.reason is Reason.NON_INFERIOR

    def test_less_cost_is_no_harm(self) -> None:
        """The direction turns it round."""
        cheaper, dearer = (judge(self.policy("down"), FRESH, [self.cohort(*pair)]) for pair in ((10, 30), (30, 10)))
        assert cheaper.reason is Reason.NON_INFERIOR
        assert dearer.reason is Reason.HARM_SHOWN

    def test_few_conversions_conclude_nothing(self) -> None:
        """The finding says why, and neither strength is shown."""
        few = Cohort(0, Arm(10_000, 99, 99, 99), Arm(10_000, 500, 15_000, 450_000), 50)
        judgement = judge(self.policy(), FRESH, [few])
        (finding,) = judgement.findings
        assert finding.insufficient == "99 conversions of canary, 100 are needed"
        assert (finding.harm.shown, finding.noninferior.shown, judgement.reason) == (False, False, Reason.COLLECTING)


def test_blocks_may_stand_for_the_mixture() -> None:
    """Where the base rate is large, a2's evidence of harm decides, at the same threshold."""
    cohort = a_cohort(Tally(2_000, 2_000, 1_200, 1_320), weight=50)
    policy, stage = a_policy(), FRESH
    finding = find(policy, CONVERSION, [cohort])
    assert not finding.harm.shown
    stronger = by_blocks(finding, weigh_blocks(HIGHER, [Tally(100, 100, 60, 66)] * 20))
    assert decide(policy, stage, [cohort], (stronger,)).reason is Reason.HARM_SHOWN
    with pytest.raises(QuestionError, match=r"^conversion.blocks: "):
        by_blocks(finding, weigh_blocks(LOWER, []))


def test_the_same_integers_are_weighed_once() -> None:
    """A rollout is judged at every look, and most looks bring nothing new: the finding is the one that is there."""
    first, again = (find(a_policy(), CONVERSION, [a_cohort(Tally(500, 500, 20, 25), weight=50)]) for _ in range(2))
    assert first is again


@given(ledgers, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_a_replay_gives_the_same_judgement(ledger: list[Tally], random: object) -> None:
    """From a dump in JSON, in any order: equal in every bit."""
    cohorts = [a_cohort(tally, step=step, weight=50) for step, tally in enumerate(ledger)]
    policy, stage = a_policy(ERRORS, SLOW, steps=5), FRESH
    dumped = json.loads(json.dumps(write_cohorts(cohorts)))
    random.shuffle(dumped)  # type: ignore[attr-defined]
    assert judge(policy, stage, read_cohorts(dumped)) == judge(policy, stage, cohorts)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.sampled_from(Inconclusive))
@settings(max_examples=60, deadline=None)
def test_no_data_is_never_a_verdict(canary: int, stable: int, overdue: bool, then: Inconclusive) -> None:
    """Exposures without any outcome hold, for ever if need be."""
    policy = replace(a_policy(ERRORS), on_inconclusive=then)
    cohort = a_cohort(Tally(canary, stable, 0, 0))
    assert judge(policy, OVERDUE if overdue else FRESH, [cohort]).verdict is Verdict.HOLD


def test_facts_come_from_the_step_at_hand_and_evidence_from_all() -> None:
    """Minimum exposures are those of this step; e-values accumulate over the rollout."""
    earlier = golden_cohorts(3)
    here = a_cohort(Tally(400, 400, 12, 16), step=3, weight=50)
    judgement = judge(a_policy(), replace(FRESH, step=3), [*earlier, here])
    assert judgement.findings[0].harm.log_e > 2.4
    assert not _facts(judgement, [*earlier, here]).ripe


def _facts(judgement: Judgement, cohorts: list[Cohort]) -> Facts:
    return gather(judgement.policy, judgement.stage, cohorts, judgement.findings, judgement.sample_ratio)
