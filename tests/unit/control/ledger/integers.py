"""Statistics as a ledger would tell them, with little to write."""

from __future__ import annotations

from typing import Any

from marquee.contract.ledger import (
    ArmName,
    CohortStatistics,
    MetricDeclaration,
    OutcomeStatistics,
    RolloutStatistics,
)

MODEL = "shop/leads"
KEY = ("shop", "leads")


def counted(
    step: int,
    arm: ArmName,
    exposures: int,
    *,
    requests: int = 0,
    errors: int = 0,
    slow: int = 0,
    **outcomes: tuple[int, int, int],
) -> CohortStatistics:
    """One cohort; outcomes are (successes, sum, sum of squares) by name."""
    return CohortStatistics(
        step=step,
        arm=arm,
        exposures=exposures,
        requests=requests,
        errors=errors,
        slow=slow,
        outcomes={
            name: OutcomeStatistics(successes=successes, sum=total, sum_of_squares=squares)
            for name, (successes, total, squares) in outcomes.items()
        },
    )


def statistics(
    *cohorts: CohortStatistics,
    model: str = MODEL,
    rollout: str = "r1",
    revision: int = 1,
    metrics: tuple[str, ...] = ("purchase",),
) -> RolloutStatistics:
    """A rollout that counts the named outcomes."""
    return RolloutStatistics(
        model=model,
        rollout=rollout,
        revision=revision,
        closed=False,
        metrics=tuple(MetricDeclaration(outcome=name) for name in metrics),
        cohorts=cohorts,
    )


def document(*rollouts: RolloutStatistics) -> dict[str, Any]:
    """The reply to ``GET /v1/statistics``, with sums as text."""
    found = [rollout.model_dump(mode="json", by_alias=True) for rollout in rollouts]
    for rollout in found:
        for cohort in rollout["cohorts"]:
            for outcome in cohort["outcomes"].values():
                outcome |= {name: str(outcome[name]) for name in ("sum", "sumOfSquares")}
    return {"rollouts": found}
