"""The ledger's integers as the evidence's cohorts: nothing is added, estimated or dropped on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from marquee.contract.ledger import ArmName, CohortStatistics, RolloutStatistics
from marquee.evidence.counts import Arm, Cohort
from marquee.evidence.errors import CountsError, EvidenceError

_NOTHING: Final = Arm(exposures=0)


def cohorts(statistics: RolloutStatistics, weights: Mapping[int, int], *, outcome: str | None) -> tuple[Cohort, ...]:
    """What became of the units: one cohort a step, with the successes and values of one outcome.

    Every step of ``weights`` is there, with zeros where the ledger has seen nothing. A step that the ledger has
    counted and ``weights`` does not name has no nominal weight: its exposures did happen, so they stay in the
    evidence, which goes by realised shares; only the sample ratio has nothing to hold them against. Replica ratio
    promises no weights at all: pass an empty mapping.

    Args:
        statistics: of the rollout.
        weights: by step, the canary's nominal share in percent.
        outcome: a declared one; None for exposures alone, as the sample ratio needs them.

    Returns:
        cohorts in the order of their steps. Values are in the metric's smallest unit. Errors and slow answers are
        zero: the ledger counts them by request, see `request_cohorts`.

    Raises:
        CountsError: the outcome is not declared, or the integers contradict each other.

    """
    declared = [metric.outcome for metric in statistics.metrics]
    if outcome is not None and outcome not in declared:
        raise CountsError(
            f"{statistics.model}/{statistics.rollout}",
            f"does not count the outcome {outcome!r}; it counts {', '.join(declared) or 'none: it was never declared'}",
            "declare it with the rollout, before exposures begin",
        )

    def arm(counted: CohortStatistics) -> Arm:
        found = counted.outcomes.get(outcome) if outcome is not None else None
        if found is None:
            return Arm(counted.exposures)
        return Arm(counted.exposures, found.successes, found.sum, found.sum_of_squares)

    return _by_step(statistics, weights, weights, arm)


def request_cohorts(statistics: RolloutStatistics, steps: Iterable[int] = ()) -> tuple[Cohort, ...]:
    """What became of the requests: cohorts whose exposures are requests, for guardrails on errors and latency.

    A rollout promises its canary a share of the units, not of their requests, so no cohort has a nominal weight.
    The evidence takes exposures for independent; requests of one unit are less so than units are. A guardrail that
    is judged by these says so (``docs/evidence.md``).

    Args:
        statistics: of the rollout.
        steps: those to have in any case, with zeros where the ledger has seen nothing.

    Raises:
        CountsError: the integers contradict each other.

    """
    return _by_step(
        statistics, steps, {}, lambda counted: Arm(counted.requests, errors=counted.errors, slow=counted.slow)
    )


def _by_step(
    statistics: RolloutStatistics,
    steps: Iterable[int],
    weights: Mapping[int, int],
    arm: Callable[[CohortStatistics], Arm],
) -> tuple[Cohort, ...]:
    counted: dict[tuple[int, ArmName], Arm] = {}
    for cohort in statistics.cohorts:
        where = f"{statistics.model}/{statistics.rollout}/{cohort.step}/{cohort.arm}"
        if (cohort.step, cohort.arm) in counted:
            raise CountsError(where, "is given twice", "read the ledger again; it keeps one row for each cohort")
        try:
            counted[cohort.step, cohort.arm] = arm(cohort)
        except EvidenceError as error:
            raise error.within(where) from None
    return tuple(
        Cohort(
            step,
            canary=counted.get((step, "canary"), _NOTHING),
            stable=counted.get((step, "stable"), _NOTHING),
            weight=weights.get(step),
        )
        for step in sorted({*steps, *(step for step, _ in counted)})
    )
