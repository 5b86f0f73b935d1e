"""``python -m tests.bench.canary [--quick]``: prints the table and writes ``build/bench/canary.json``.

Every cell of the grid, with looks every minute and at random times. ``--quick`` takes few runs of each cell over half
the horizon; its figures are no figures and go to a file of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.bench.canary.grid import PER_MINUTE, Group, groups
from tests.bench.canary.measuring import Result, measure
from tests.bench.canary.reporting import GOALS, figures, worst_cells
from tests.bench.canary.tuning import Tuned, tune
from tests.bench.report import write_report

SEED: Final = 3


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    suite: str
    runs: int
    minutes: int


FULL: Final = Plan("canary", runs=10_000, minutes=240)
QUICK: Final = Plan("canary-quick", runs=50, minutes=130)


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met."""
    parser = argparse.ArgumentParser(prog="tests.bench.canary", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs of each cell: does it run at all?")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many groups at once")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        tuned = pool.map(partial(tune, runs=plan.runs, minutes=plan.minutes), PER_MINUTE)
        rules = dict(zip(PER_MINUTE, tuned, strict=True))
        _say_rules(rules)
        results = list(_measured(pool, plan, rules, groups()))
    metrics = figures(results, rules, plan.minutes) | {"runs_per_cell": plan.runs, **_time_spent()}
    for line in worst_cells(results, plan.runs):
        print(line)
    met = write_report(plan.suite, metrics, {} if options.quick else GOALS)
    return 0 if met else 1


def _measured(
    pool: Executor, plan: Plan, rules: Mapping[int, Sequence[Tuned]], cells: Sequence[Group]
) -> Iterator[Result]:
    """The costly groups first, so that no process is left with one at the end."""
    chosen = {per_minute: tuned[0].rule for per_minute, tuned in rules.items()}
    work = partial(measure, runs=plan.runs, minutes=plan.minutes, seed=SEED, thresholds=chosen)
    costly = sorted(cells, key=lambda group: (group.delay_minutes, group.per_minute), reverse=True)
    for number, done in enumerate(as_completed([pool.submit(work, group) for group in costly]), start=1):
        result = done.result()
        _say(f"{number} of {len(cells)}: {result.group.name}")
        yield result


def _say_rules(rules: Mapping[int, Sequence[Tuned]]) -> None:
    for per_minute, (best, *_) in rules.items():
        rule = best.rule
        _say(
            f"threshold rule tuned for {per_minute}/min: ratio of {rule.window_minutes} min below {rule.below:.3f}, "
            f"{rule.strikes} in a row; median minutes {best.medians}"
        )


def _time_spent() -> dict[str, float]:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in spent)
    return {"wall_seconds": time.perf_counter() - _started, "cpu_seconds": cpu}


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
