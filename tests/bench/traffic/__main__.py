"""``python -m tests.bench.traffic``: rollouts behind the local cluster's gateway, at 200 requests a second.

Rounds of a promotion, a rollback and an abort go on until 100,000 requests were sent, none of which may fail.
``--quick`` is one short round; its figures are no figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from demo.errors import DemoError
from demo.purchases import Purchases
from localcluster.stages import Stages
from tests.bench.report import Goal, write_report
from tests.bench.traffic.measuring import Shares, shares
from tests.bench.traffic.rollouts import WEIGHT, Rollouts
from tests.bench.traffic.users import Users
from tests.bench.traffic.world import standing
from tests.support.ramp import INPUTS, Ramp

GOALS: Final[Mapping[str, Goal]] = {
    "failed_requests": Goal("<=", 0),
    "requests": Goal(">=", 100_000),
    "abort_seconds_to_zero_canary": Goal("<=", 5),
    "share_error_at_10_percent": Goal("<=", 0.01),
    "requests_astray": Goal("<=", 0),
    "reports_given_up": Goal("<=", 0),
}
_SHOWN_FAILURES: Final = 10


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    requests: int
    hold_seconds: float


FULL: Final = Plan(requests=100_000, hold_seconds=75)
QUICK: Final = Plan(requests=1, hold_seconds=15)


def run(ramp: Ramp, plan: Plan, stages: Stages) -> tuple[Users, Rollouts]:
    """Rounds of rollouts, until enough requests were sent."""
    chances: dict[str, float] = {}
    with ramp.ledger() as ledger, Purchases(ledger, chances).reporting() as purchases:
        users = Users(ramp.url, ramp.model, INPUTS, purchases)
        rollouts = Rollouts(ramp, chances, users, stages)
        with users.asking():
            while not rollouts.count or users.load.report.total < plan.requests:
                rollouts.promote()
                rollouts.roll_back()
                rollouts.abort(plan.hold_seconds)
    for lines in (users.load.report.failures, purchases.refused, purchases.given_up):
        for line in lines[:_SHOWN_FAILURES]:
            stages.say(line)
    return users, rollouts


def metrics_of(users: Users, rollouts: Rollouts) -> dict[str, float]:
    """By the keys of the report."""
    found = sum((shares(users.answers, hold) for hold in rollouts.holds), Shares())
    nominal = WEIGHT / 100
    kinds = {"with_bucket": found.with_bucket, "without_bucket": found.without}
    metrics = {
        "failed_requests": float(len(users.load.report.failures)),
        "requests": float(users.load.report.total),
        "rollouts": float(rollouts.count),
        "abort_seconds_to_zero_canary": max(rollouts.abort_seconds),
        "abort_command_seconds": max(rollouts.command_seconds),
        "share_error_at_10_percent": max(abs(share.value - nominal) for share in kinds.values()),
        "share_error_by_chance": max(share.standard_error(nominal) for share in kinds.values()),
        "requests_astray": float(found.astray),
        "reports_given_up": float(len(users.purchases.given_up)),
    }
    for kind, share in kinds.items():
        metrics |= {f"share_{kind}": share.value, f"share_{kind}_requests": float(share.requests)}
    return metrics


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.traffic", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: one short round")
    quick = parser.parse_args(arguments).quick
    stages = Stages()
    try:
        with standing(stages) as ramp:
            users, rollouts = run(ramp, QUICK if quick else FULL, stages)
    except DemoError as error:
        print(f"bench-traffic: {error}", file=sys.stderr)
        return 1
    met = write_report("traffic-quick" if quick else "traffic", metrics_of(users, rollouts), GOALS)
    return 0 if met or quick else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
