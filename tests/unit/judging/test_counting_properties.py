from __future__ import annotations

from random import Random

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.contract.ledger import ArmName, CohortStatistics, RolloutStatistics, StatisticsReply
from marquee.evidence.counts import Arm, Cohort
from marquee.judging.counting import cohorts, request_cohorts
from tests.support.examples import examples
from tests.unit.control.ledger.integers import counted, document, statistics

QUICK = settings(max_examples=examples(30))
"""Integers are only copied: what could go wrong goes wrong with few cohorts, and drawing them is what takes time."""
ARMS: tuple[ArmName, ...] = ("stable", "canary")


@st.composite
def arms_of_a_step(draw: st.DrawFn, step: int, arm: ArmName) -> CohortStatistics:
    """Integers that a ledger can have: values are those of some units, errors are among the requests."""
    values = draw(st.lists(st.integers(1, 2**31 - 1), max_size=3))
    requests = draw(st.integers(0, 2**53))
    return counted(
        step,
        arm,
        draw(st.integers(len(values), 2**53)),
        requests=requests,
        errors=draw(st.integers(0, requests)),
        slow=draw(st.integers(0, requests)),
        purchase=(len(values), sum(values), sum(value * value for value in values)),
    )


@st.composite
def ledgers(draw: st.DrawFn) -> RolloutStatistics:
    """A rollout with any subset of cohorts, in any order."""
    places = draw(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(ARMS)), unique=True, max_size=5))
    return statistics(*[draw(arms_of_a_step(step, arm)) for step, arm in places])


weights = st.dictionaries(st.integers(0, 999), st.integers(0, 100), max_size=6)


def total(arms: list[Arm]) -> tuple[int, ...]:
    return tuple(
        sum(getattr(arm, name) for arm in arms)
        for name in ("exposures", "successes", "value_sum", "value_squares", "errors", "slow")
    )


def of_arm(found: tuple[Cohort, ...], arm: str) -> list[Arm]:
    return [getattr(cohort, arm) for cohort in found]


@QUICK
@given(ledgers(), weights)
def test_nothing_is_lost_or_added(told: RolloutStatistics, planned: dict[int, int]) -> None:
    """Over all steps each arm has exactly the ledger's integers, planned or not."""
    for arm in ARMS:
        rows = [cohort for cohort in told.cohorts if cohort.arm == arm]
        credit = [row.outcomes["purchase"] for row in rows]
        assert total(of_arm(cohorts(told, planned, outcome="purchase"), arm)) == (
            sum(row.exposures for row in rows),
            sum(one.successes for one in credit),
            sum(one.sum for one in credit),
            sum(one.sum_of_squares for one in credit),
            0,
            0,
        )
        assert total(of_arm(request_cohorts(told, planned), arm)) == (
            sum(row.requests for row in rows),
            0,
            0,
            0,
            sum(row.errors for row in rows),
            sum(row.slow for row in rows),
        )


@QUICK
@given(ledgers(), weights)
def test_steps_are_the_union_of_plan_and_ledger(told: RolloutStatistics, planned: dict[int, int]) -> None:
    """Each step is there once, in order; one has a weight exactly when it was planned."""
    steps = sorted({*planned, *(cohort.step for cohort in told.cohorts)})

    found = cohorts(told, planned, outcome="purchase")

    assert [(cohort.step, cohort.weight) for cohort in found] == [(step, planned.get(step)) for step in steps]
    assert [(cohort.step, cohort.weight) for cohort in request_cohorts(told, planned)] == [(s, None) for s in steps]


@QUICK
@given(ledgers(), weights, st.randoms())
def test_order_of_the_ledgers_rows_means_nothing(
    told: RolloutStatistics, planned: dict[int, int], random: Random
) -> None:
    """The same integers give the same cohorts."""
    rows = list(told.cohorts)
    random.shuffle(rows)
    shuffled = told.model_copy(update={"cohorts": tuple(rows)})

    assert cohorts(shuffled, planned, outcome="purchase") == cohorts(told, planned, outcome="purchase")


@QUICK
@given(ledgers())
def test_wire_keeps_every_digit(told: RolloutStatistics) -> None:
    """Through JSON, where sums are text, the cohorts stay what they were."""
    (back,) = StatisticsReply.model_validate(orjson.loads(orjson.dumps(document(told)))).rollouts

    assert back == told
