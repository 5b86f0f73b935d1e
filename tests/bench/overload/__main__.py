"""``python -m tests.bench.overload``: the front on one core, three times its capacity from the other.

Twice: with a model of about a millisecond (8,000 trees), which the goals are for; and, for most figures without goals,
with the model of the suite `front`, 60 microseconds. To turn a request away takes a read and a write, as much as to
answer that one: who says no twice as often as yes cannot give nine tenths of a core to the yes. Each figure is the
median of the rounds. Figures are of what was asked after the first second, in which a thousand clients connect;
``arriving_shed_p99_ms`` is of that second.
``--quick`` shortens every part to a smoke test; its figures are no figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster import packages
from localcluster.stages import Stages
from tests.bench.front.load import serving
from tests.bench.front.workload import TREES, prepare
from tests.bench.overload.answers import after, before, goodput, rate, recovery_seconds, shed_p99_milliseconds
from tests.bench.overload.clients import Crowd, send
from tests.bench.report import Goal, write_report

OVERLOAD: Final = 3.0
OBJECTIVE_MILLISECONDS: Final = 100
GOALS: Final[Mapping[str, Goal]] = {
    "offered_over_capacity": Goal(">=", 2.7),
    "goodput_over_capacity": Goal(">=", 0.9),
    "shed_p99_ms": Goal("<=", 10),
    "recovery_seconds": Goal("<=", 5),
    "hung_requests": Goal("<=", 0),
}
SHORT_GOALS: Final[Mapping[str, Goal]] = {
    f"short_{key}": GOALS[key] for key in ("offered_over_capacity", "recovery_seconds", "hung_requests")
}
MANY_TREES: Final = 8_000


@dataclass(frozen=True)
class Plan:
    """How long each part takes."""

    seconds: float
    clients: int
    rounds: int


FULL: Final = Plan(seconds=10, clients=1_000, rounds=3)
QUICK: Final = Plan(seconds=3, clients=200, rounds=1)
ARRIVING_SECONDS: Final = 1.0
"""In which all clients connect."""


def overload(environment: dict[str, str], folder: Path, plan: Plan, guess: int) -> dict[str, float]:
    """Figures of one model.

    Args:
        environment: of the front.
        folder: for logs.
        plan: how long.
        guess: requests a second to begin with, to learn the capacity.

    """
    objective = OBJECTIVE_MILLISECONDS / 1e3
    with serving("front", environment, folder) as served:
        warm = send(Crowd(clients=16, requests=max(200, guess // 2)), served.port, folder)
        rounds = [flooded(served.port, folder, plan, rate(warm), objective) for _ in range(plan.rounds)]
    return {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}


def flooded(port: int, folder: Path, plan: Plan, guess: float, objective: float) -> dict[str, float]:
    """One round: what the front can do, three times as much, and half of it."""
    closed = send(Crowd(clients=16, requests=round(guess * plan.seconds)), port, folder)
    capacity = goodput(closed, objective)
    asked = round(OVERLOAD * capacity * plan.seconds)
    flood = Crowd(clients=plan.clients, requests=asked, rate=OVERLOAD * capacity)
    answers = send(flood, port, folder)
    over = max(answer.ended for answer in answers)
    calm = Crowd(clients=16, requests=round(0.5 * capacity * plan.seconds), rate=0.5 * capacity)
    calmed = send(calm, port, folder)
    settled = after(answers, ARRIVING_SECONDS)
    return {
        "capacity_rps": capacity,
        "offered_over_capacity": rate(settled) / capacity,
        "goodput_over_capacity": goodput(settled, objective) / capacity,
        "shed_p99_ms": shed_p99_milliseconds(settled),
        "arriving_shed_p99_ms": shed_p99_milliseconds(before(answers, ARRIVING_SECONDS)),
        "recovery_seconds": recovery_seconds(calmed, over, objective),
        "hung_requests": asked - len(answers) + calm.requests - len(calmed),
    }


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.overload", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: short, and few clients")
    quick = parser.parse_args(arguments).quick
    plan = QUICK if quick else FULL
    packages.ensure(("h2load", "taskset"), Stages())
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-overload-") as name:
        for prefix, trees, guess in (("", MANY_TREES, 500), ("short_", TREES, 3_000)):
            folder = Path(name) / f"{prefix}model"
            folder.mkdir()
            objective = {"MARQUEE_SLO_P99_MILLISECONDS": str(OBJECTIVE_MILLISECONDS)}
            figures = overload(prepare(folder, trees=trees) | objective, folder, plan, guess)
            _say(", ".join(f"{prefix}{key} {value:.2f}" for key, value in figures.items()))
            metrics |= {prefix + key: value for key, value in figures.items()}
    met = write_report("overload-quick" if quick else "overload", metrics, {**GOALS, **SHORT_GOALS})
    return 0 if met or quick else 1


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
