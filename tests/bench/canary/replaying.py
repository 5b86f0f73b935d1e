"""Sampled runs against the package itself: the same ln E from arrays, from a dump, and grown by increments."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from itertools import product

from marquee.evidence.counts import Arm, Cohort, Count
from marquee.evidence.mixture import Direction, Mixture, weigh
from marquee.evidence.policy import Inconclusive, Policy, Proportion, Stage
from marquee.evidence.records import read_cohorts, write_cohorts
from marquee.evidence.rule import Verdict, judge
from marquee.evidence.sample_ratio import check_split
from tests.bench.canary.grid import MARGIN, WEIGHTS
from tests.bench.canary.measuring import HARM, SAFE, Sample


@dataclass(frozen=True)
class Differences:
    """Largest absolute differences in ln E.

    ``replayed``: a dump read again against evidence grown by increments. ``vectorised``: the benchmark's arrays against
    the package, harm and non-inferiority; ``split``: the same for the sample ratio, whose logarithms of factorials of
    millions of exposures are rounded at 1e-8.
    """

    replayed: float = 0.0
    vectorised: float = 0.0
    split: float = 0.0

    def __or__(self, other: Differences) -> Differences:
        return Differences(*map(max, zip(astuple(self), astuple(other), strict=True)))


def largest_differences(samples: Iterable[Sample]) -> Differences:
    """Over sampled runs."""
    return functools.reduce(operator.or_, map(_differences, samples), Differences())


def _differences(sample: Sample) -> Differences:
    dumped = read_cohorts(json.loads(json.dumps(write_cohorts(sample.cohorts))))
    found = Differences(split=abs(check_split(dumped, steps=len(WEIGHTS)).log_e - sample.split))
    for weigher, of_arrays in ((HARM, sample.harm), (SAFE, sample.safe)):
        again = weigh(weigher.question, (cohort.tally(Count.SUCCESSES) for cohort in dumped)).log_e
        grown = _grow(weigh(weigher.question, ()), sample.cohorts).log_e
        found |= Differences(replayed=abs(again - grown), vectorised=abs(again - of_arrays))
    return found


def _grow(state: Mixture, cohorts: Iterable[Cohort]) -> Mixture:
    """Half of each cohort's outcomes at once, the other half when all cohorts are over, through a restart."""
    late = []
    for cohort in cohorts:
        tally = cohort.tally(Count.SUCCESSES)
        early = replace(tally, canary=tally.canary // 2, stable=tally.stable // 2)
        late.append(replace(tally, canary=tally.canary - early.canary, stable=tally.stable - early.stable))
        state = state.credit(early)
        state = Mixture(state.question, tuple(json.loads(json.dumps(state.log_weights))))
    for tally in late:
        state = state.credit(tally)
    return state


def verdicts_without_data() -> int:
    """Verdicts other than Hold on ledgers without outcomes or without one of the arms, in every stage and policy."""
    metric = Proportion("conversion", Count.SUCCESSES, Direction.HIGHER_IS_BETTER, MARGIN)
    arms = [(Arm(0), Arm(0)), (Arm(0), Arm(10**6)), (Arm(10**6), Arm(0)), (Arm(10**6), Arm(10**6)), (Arm(0), Arm(9, 9))]
    found = 0
    for (canary, stable), then, elapsed in product(arms, Inconclusive, (0.0, 59.0, 1e9)):
        policy = Policy(metric, on_inconclusive=then)
        stage = Stage(max_duration_seconds=60, elapsed_seconds=elapsed)
        for cohorts in ([], [Cohort(0, canary, stable, 50)]):
            found += judge(policy, stage, cohorts).verdict is not Verdict.HOLD
    return found
