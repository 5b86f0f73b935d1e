"""``python -m tests.bench.drift [--quick] [--without-rivals]``: prints the table, writes ``build/bench/drift.json``.

False retrainings in simulated years, how soon a shift is found, what a million rows cost, and what must not change a
verdict; Evidently and NannyML on the same numbers. ``--quick`` simulates little: its figures are no figures and go to a
file of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from localcluster.stages import Stages
from tests.bench.drift import counting, rivals
from tests.bench.drift.alarms import DAYS_A_YEAR, quiet_year, told_otherwise, upper95, windows_to_detect
from tests.bench.drift.feeds import FEW_ROWS, ROWS
from tests.bench.drift.hot_path import measure
from tests.bench.report import Goal, write_report

GOALS: Final[Mapping[str, Goal]] = {
    "cpu_seconds_1m_x_60": Goal("<=", 2.5),
    "evidently_cpu_over_ours": Goal(">=", 50),
    "hot_path_us_60_features": Goal("<=", 15),
    "false_retrains_per_model_year_upper95": Goal("<=", 0.05),
    "false_retrains_per_model_year_upper95_5000_rows": Goal("<=", 0.05),
    "investigates_per_model_year": Goal("<=", 3.65),
    "investigates_per_model_year_5000_rows": Goal("<=", 3.65),
    "screen_max_abs_diff": Goal("<=", 1e-6),
    "windows_to_detect_0_1_sd": Goal("<=", 3),
    "windows_to_detect_0_05_sd": Goal("<=", 7),
    "verdicts_changed_by_corruption": Goal("<=", 0),
    "verdict_differs_by_replicas": Goal("<=", 0),
    "verdicts_replayed_otherwise": Goal("<=", 0),
    "cbpe_max_auc_diff_to_nannyml": Goal("<=", 0.002),
    "cbpe_max_auc_diff_to_exact": Goal("<=", 0.001),
    "cbpe_max_auc_diff_to_exact_one_sd_off": Goal("<=", 0.002),
}
_OF_RIVALS: Final = (
    "evidently_cpu_over_ours",
    "cbpe_max_auc_diff_to_nannyml",
    "cbpe_max_auc_diff_to_exact",
    "cbpe_max_auc_diff_to_exact_one_sd_off",
)


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    suite: str
    years: int
    shifts: int
    """Simulated shifts of either size."""
    repetitions: int
    """Of what is measured in CPU time; the smallest counts, as neighbours only ever add to it."""
    rival_rows: int
    replays: int
    """Histories of four weeks that the offline script judges again, of each shift."""


FULL: Final = Plan("drift", years=240, shifts=200, repetitions=3, rival_rows=counting.MILLION, replays=5)
QUICK: Final = Plan("drift-quick", years=2, shifts=4, repetitions=1, rival_rows=20_000, replays=1)


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met."""
    parser = argparse.ArgumentParser(prog="tests.bench.drift", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="simulate little: does it run at all?")
    parser.add_argument("--without-rivals", action="store_true", help="leave out what needs other packages")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many simulations at once")
    options = parser.parse_args(arguments)
    plan, stages = QUICK if options.quick else FULL, Stages()
    metrics = _costs(plan, stages)
    if not options.without_rivals:
        metrics |= _beside_rivals(plan, metrics["cpu_seconds_1m_x_60"], stages)
    stages.say("corrupt values, and replicas")
    metrics |= {
        "verdicts_changed_by_corruption": counting.changed_by_corruption(),
        "verdict_differs_by_replicas": counting.differing_by_replicas(),
    }
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        metrics |= _simulated(pool, plan, stages) | _replayed(pool, plan, stages)
    goals = {key: goal for key, goal in GOALS.items() if not (options.without_rivals and key in _OF_RIVALS)}
    met = write_report(plan.suite, metrics, {} if options.quick else goals)
    return 0 if met else 1


def _costs(plan: Plan, stages: Stages) -> dict[str, float]:
    stages.say("CPU time of a million rows")
    costs = [counting.cost() for _ in range(plan.repetitions)]
    stages.say("CPU time of a request")
    requests = [measure() for _ in range(plan.repetitions)]
    return {
        "cpu_seconds_1m_x_60": min(cost.counting + cost.verdict for cost in costs),
        "hot_path_us_60_features": min(cost.hot_path_us_60_features for cost in requests),
    }


def _beside_rivals(plan: Plan, ours: float, stages: Stages) -> dict[str, float]:
    theirs = rivals.evidently_cpu_seconds(stages, plan.rival_rows)
    areas = rivals.areas(stages)
    found = {"evidently_cpu_seconds": theirs, "evidently_cpu_over_ours": theirs / ours}
    for shifts, key in ((rivals.SHIFTS, ""), (rivals.FAR_SHIFTS, "_one_sd_off")):
        some = [areas[shift] for shift in shifts]
        found |= {
            f"cbpe_max_auc_diff_to_exact{key}": max(abs(area.ours - area.exact) for area in some),
            f"nannyml_max_auc_diff_to_exact{key}": max(abs(area.nannyml - area.exact) for area in some),
            f"cbpe_max_auc_diff_to_nannyml{key}": max(abs(area.ours - area.nannyml) for area in some),
        }
    return found


def _simulated(pool: Executor, plan: Plan, stages: Stages) -> dict[str, float]:
    found: dict[str, float] = {"model_years": plan.years}
    for rows, key in ((ROWS, ""), (FEW_ROWS, f"_{FEW_ROWS}_rows")):
        stages.say(f"{plan.years} years without drift, {rows:,} rows a day")
        years = list(pool.map(partial(quiet_year, rows=rows), range(plan.years)))
        false = sum(year.retrains for year in years)
        samples = [year.sampled for year in years]
        found |= {
            f"false_retrains{key}": false,
            f"false_retrains_per_model_year_upper95{key}": upper95(false, plan.years),
            f"investigates_per_model_year{key}": DAYS_A_YEAR * statistics.mean(each.investigated for each in samples),
            f"screen_max_abs_diff{key}": max(each.differing for each in samples),
        }
    for shift, key in ((0.1, "windows_to_detect_0_1_sd"), (0.05, "windows_to_detect_0_05_sd")):
        stages.say(f"{plan.shifts} shifts of {shift} standard deviations")
        windows = sorted(pool.map(partial(windows_to_detect, shift=shift), range(plan.shifts), chunksize=4))
        found[key] = statistics.median(windows)
        found[f"{key}_nine_in_ten"] = windows[max(int(0.9 * len(windows)) - 1, 0)]
    return found


def _replayed(pool: Executor, plan: Plan, stages: Stages) -> dict[str, float]:
    stages.say("verdicts computed again by the offline script")
    worlds = [(seed, shift) for shift in (0.0, 0.05, 0.1, 0.2) for seed in range(plan.replays)]
    found = list(pool.map(told_otherwise, *zip(*worlds, strict=True)))
    return {
        "verdicts_replayed": sum(windows for windows, _ in found),
        "verdicts_replayed_otherwise": sum(wrong for _, wrong in found),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
