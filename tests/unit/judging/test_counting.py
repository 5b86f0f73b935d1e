from __future__ import annotations

import pytest

from marquee.contract.ledger import CohortStatistics
from marquee.evidence.counts import Arm, Cohort, Count
from marquee.evidence.errors import CountsError
from marquee.evidence.finding import find
from marquee.evidence.mixture import Direction
from marquee.evidence.policy import Policy, Proportion, Stage
from marquee.evidence.rule import Reason, Verdict, decide
from marquee.judging.counting import cohorts, request_cohorts
from tests.unit.control.ledger.integers import counted, statistics

NOTHING = Arm(0)


def test_each_step_has_its_weight_and_both_arms() -> None:
    """Units, successes and values of the chosen outcome arrive as they are; requests do not get among them."""
    told = statistics(
        counted(0, "stable", 950, requests=4_000, errors=3_000, slow=9, purchase=(40, 9_000, 3_000_000)),
        counted(0, "canary", 50, requests=200, purchase=(2, 500, 130_000)),
        counted(1, "canary", 100, requests=100, purchase=(3, 3, 3)),
        counted(1, "stable", 900, requests=900, purchase=(30, 30, 30)),
    )

    assert cohorts(told, {0: 5, 1: 10}, outcome="purchase") == (
        Cohort(0, canary=Arm(50, 2, 500, 130_000), stable=Arm(950, 40, 9_000, 3_000_000), weight=5),
        Cohort(1, canary=Arm(100, 3, 3, 3), stable=Arm(900, 30, 30, 30), weight=10),
    )


def test_chosen_outcome_is_the_one_that_counts() -> None:
    """Of several outcomes each has cohorts of its own."""
    told = statistics(
        counted(0, "stable", 10, purchase=(2, 2, 2), click=(8, 8, 8)),
        counted(0, "canary", 10, purchase=(1, 1, 1), click=(7, 7, 7)),
        metrics=("purchase", "click"),
    )

    successes = {
        outcome: cohorts(told, {0: 50}, outcome=outcome)[0].canary.successes for outcome in ("purchase", "click", None)
    }

    assert successes == {"purchase": 1, "click": 7, None: 0}


def test_without_an_outcome_exposures_remain() -> None:
    """The sample ratio needs no outcome, and can be asked of a rollout that declares none."""
    told = statistics(counted(0, "stable", 95), counted(0, "canary", 5), metrics=())

    assert cohorts(told, {0: 5}, outcome=None) == (Cohort(0, canary=Arm(5), stable=Arm(95), weight=5),)


@pytest.mark.parametrize(("seen", "stable"), [((), NOTHING), ((counted(0, "stable", 7),), Arm(7))])
def test_what_was_not_seen_yet_is_zero(seen: tuple[CohortStatistics, ...], stable: Arm) -> None:
    """A step of the plan or an arm without a row in the ledger counts nothing, rather than missing."""
    assert cohorts(statistics(*seen), {1: 50, 0: 5}, outcome="purchase") == (
        Cohort(0, canary=NOTHING, stable=stable, weight=5),
        Cohort(1, canary=NOTHING, stable=NOTHING, weight=50),
    )


def test_outcome_without_a_row_is_zero() -> None:
    """A declared outcome that nobody has reported is no success."""
    told = statistics(counted(0, "stable", 7), counted(0, "canary", 7, purchase=(1, 1, 1)))

    (cohort,) = cohorts(told, {0: 50}, outcome="purchase")

    assert (cohort.stable, cohort.canary) == (Arm(7), Arm(7, 1, 1, 1))


def test_step_without_a_promise_stays_without_a_weight() -> None:
    """Exposures that happened are never dropped; where no weight is known, none is made up."""
    told = statistics(counted(3, "stable", 6), counted(3, "canary", 4), counted(0, "stable", 9))

    assert [(cohort.step, cohort.weight) for cohort in cohorts(told, {0: 5}, outcome=None)] == [(0, 5), (3, None)]
    assert [cohort.weight for cohort in cohorts(told, {}, outcome=None)] == [None, None]


@pytest.mark.parametrize(
    ("metrics", "words"),
    [(("purchase", "click"), "it counts purchase, click"), ((), "it counts none: it was never declared")],
)
def test_unknown_outcome_is_no_zero(metrics: tuple[str, ...], words: str) -> None:
    """An outcome that the rollout does not count raises, and the error lists those it does."""
    with pytest.raises(CountsError) as caught:
        cohorts(statistics(metrics=metrics), {0: 5}, outcome="sale")

    assert str(caught.value) == (
        f"shop/leads/r1: does not count the outcome 'sale'; {words}; "
        "declare it with the rollout, before exposures begin"
    )


def test_contradiction_names_its_place() -> None:
    """Integers that no ledger can have kept raise with model, rollout, step and arm."""
    told = statistics(counted(2, "canary", 3, purchase=(4, 4, 4)))

    with pytest.raises(CountsError, match=r"^shop/leads/r1/2/canary\.successes: 4 of 3 exposures"):
        cohorts(told, {2: 5}, outcome="purchase")
    with pytest.raises(CountsError, match=r"^shop/leads/r1/0/stable\.errors: 2 of 1 exposures"):
        request_cohorts(statistics(counted(0, "stable", 9, requests=1, errors=2)))


def test_cohort_given_twice_is_refused() -> None:
    """Two rows of one cohort would have to be added up or dropped; neither is for us to choose."""
    told = statistics(counted(0, "stable", 1), counted(0, "stable", 2))

    with pytest.raises(CountsError, match="shop/leads/r1/0/stable: is given twice"):
        cohorts(told, {0: 5}, outcome=None)


def test_request_cohorts_count_requests() -> None:
    """Their exposures are requests, with errors and slow answers; no share of requests was promised."""
    told = statistics(
        counted(0, "stable", 9, requests=90, errors=2, slow=30, purchase=(5, 5, 5)),
        counted(1, "canary", 1, requests=10, errors=1, slow=3),
    )

    assert request_cohorts(told, {0: 5, 1: 10, 2: 50}) == (
        Cohort(0, canary=NOTHING, stable=Arm(90, errors=2, slow=30)),
        Cohort(1, canary=Arm(10, errors=1, slow=3), stable=NOTHING),
        Cohort(2, canary=NOTHING, stable=NOTHING),
    )
    assert [cohort.step for cohort in request_cohorts(told)] == [0, 1]


def test_guardrail_on_requests_is_judged_beside_a_primary_on_units() -> None:
    """Errors by request roll a canary back whose purchases show nothing, with one call of `decide`."""
    told = statistics(
        counted(0, "stable", 1_000, requests=20_000, errors=40, purchase=(50, 50, 50)),
        counted(0, "canary", 1_000, requests=20_000, errors=400, purchase=(50, 50, 50)),
    )
    policy = Policy(
        Proportion("purchase", Count.SUCCESSES, Direction.HIGHER_IS_BETTER, margin=0.05),
        guardrails=(Proportion("errors", Count.ERRORS, Direction.LOWER_IS_BETTER, margin=0.1),),
    )
    units, requests = cohorts(told, {0: 50}, outcome="purchase"), request_cohorts(told, {0: 50})
    findings = (find(policy, policy.primary, units), find(policy, policy.guardrails[0], requests))

    judgement = decide(policy, Stage(), units, findings)

    assert (judgement.verdict, judgement.reason) == (Verdict.ROLLBACK, Reason.HARM_SHOWN)
    assert not findings[0].harm.shown
    assert judgement.sample_ratio.step == 0
