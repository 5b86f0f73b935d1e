"""The ledger's integers as the status holds them, and back: what anybody needs to compute a judgement again."""

from __future__ import annotations

from collections.abc import Sequence

from marquee.api.rollout import MAX_STEPS
from marquee.api.rollout_status import CohortCounts, OutcomeCounts
from marquee.contract.ledger import CohortStatistics, OutcomeStatistics, RolloutStatistics


def counts_of(statistics: RolloutStatistics | None) -> tuple[CohortCounts, ...]:
    """What the status says, in the order of steps.

    Steps that were never planned, which only forged cohorts can name, are cut where the status has no room.
    """
    if statistics is None:
        return ()
    ordered = sorted(statistics.cohorts, key=lambda cohort: (cohort.step, cohort.arm))
    return tuple(_counts(cohort) for cohort in ordered[: 2 * MAX_STEPS])


def cohorts_of(counts: Sequence[CohortCounts]) -> tuple[CohortStatistics, ...]:
    """What the ledger said: `counts_of`, undone."""
    return tuple(_cohort(found) for found in counts)


def _counts(cohort: CohortStatistics) -> CohortCounts:
    return CohortCounts(
        step=cohort.step,
        arm=cohort.arm,
        exposures=cohort.exposures,
        requests=cohort.requests,
        errors=cohort.errors,
        slow=cohort.slow,
        outcomes={
            name: OutcomeCounts(successes=found.successes, sum=str(found.sum), sum_of_squares=str(found.sum_of_squares))
            for name, found in cohort.outcomes.items()
        },
    )


def _cohort(counts: CohortCounts) -> CohortStatistics:
    return CohortStatistics(
        step=counts.step,
        arm=counts.arm,
        exposures=counts.exposures,
        requests=counts.requests,
        errors=counts.errors,
        slow=counts.slow,
        outcomes={
            name: OutcomeStatistics(
                successes=found.successes, sum=int(found.sum), sum_of_squares=int(found.sum_of_squares)
            )
            for name, found in counts.outcomes.items()
        },
    )
