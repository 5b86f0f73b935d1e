"""``python -m tests.bench.front``: CPU in process, requests over HTTP, and memory over a ten-minute soak.

``--quick`` shortens every part to a smoke test; it leaves the soak out, and its figures are no figures.
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
from tests.bench.front.in_process import Subject, measure
from tests.bench.front.load import Load, apply_load, serving
from tests.bench.front.workload import prepare, reporting
from tests.bench.report import Goal, write_report

SUBJECTS: Final[tuple[Subject, ...]] = ("bare", "front", "bentoml")
GOALS: Final[Mapping[str, Goal]] = {
    "front_cpu_us_over_bare_asgi": Goal("<=", 150),
    "reporting_cpu_us_over_bare_asgi": Goal("<=", 150),
    "cache_hit_cpu_us": Goal("<=", 150),
    "bentoml_cpu_over_front": Goal(">=", 8),
    "front_rps_over_bentoml": Goal(">=", 6),
    "front_rps_over_bare_asgi": Goal(">=", 0.6),
    "front_p99_over_bare_asgi": Goal("<=", 2),
    "rss_mb": Goal("<=", 140),
    "ready_cpu_seconds": Goal("<=", 4),
    "rss_growth_mb_10_min": Goal("<=", 5),
}
SOAK_KEY: Final = "rss_growth_mb_10_min"
SETTLING_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Plan:
    """How long each part takes."""

    rounds: int
    load_seconds: float
    soak_seconds: float


FULL: Final = Plan(rounds=5, load_seconds=8, soak_seconds=600)
QUICK: Final = Plan(rounds=1, load_seconds=1, soak_seconds=0)


def in_process(environment: dict[str, str], folder: Path, plan: Plan) -> dict[str, float]:
    """CPU of a request without sockets; they take turns, so that a busy minute meets them all."""
    subjects: tuple[Subject, ...] = ("bare", "front", "hit", "reporting", "bentoml")
    runs: dict[Subject, list[float]] = {subject: [] for subject in subjects}
    for _ in range(plan.rounds):
        for subject in subjects:
            settings = environment | (reporting(folder) if subject == "reporting" else {})
            runs[subject].append(measure(subject, settings, core=0, rounds=3))
            _say(f"in process: {subject} {runs[subject][-1]:.1f} us")
    bare, front, hit, with_reports, bentoml = (statistics.median(runs[subject]) for subject in subjects)
    return {
        "front_cpu_us_over_bare_asgi": front - bare,
        "reporting_cpu_us_over_bare_asgi": with_reports - bare,
        "cache_hit_cpu_us": hit,
        "bentoml_cpu_over_front": bentoml / front,
        "bare_asgi_cpu_us": bare,
        "front_cpu_us": front,
        "reporting_cpu_us": with_reports,
        "bentoml_cpu_us": bentoml,
    }


def over_http(environment: dict[str, str], folder: Path, plan: Plan) -> dict[str, float]:
    """Requests a second and latency, server on one core and load on the other, by turns."""
    loads: dict[Subject, list[Load]] = {subject: [] for subject in SUBJECTS}
    ready_cpu, rss = [], []
    for _ in range(plan.rounds):
        for subject in SUBJECTS:
            with serving(subject, environment, folder) as served:
                if subject == "front":
                    ready_cpu.append(served.cpu_seconds())
                apply_load(served.port, plan.load_seconds / 4, folder)
                loads[subject].append(apply_load(served.port, plan.load_seconds, folder))
                if subject == "front":
                    rss.append(served.rss_megabytes())
            load = loads[subject][-1]
            _say(f"over HTTP: {subject} {load.requests_per_second:.0f}/s, p99 {load.p99_milliseconds:.2f} ms")
    rates = {subject: statistics.median(load.requests_per_second for load in loads[subject]) for subject in SUBJECTS}
    return {
        "front_rps_over_bentoml": rates["front"] / rates["bentoml"],
        "front_rps_over_bare_asgi": rates["front"] / rates["bare"],
        "front_p99_over_bare_asgi": statistics.median(
            front.p99_milliseconds / bare.p99_milliseconds
            for front, bare in zip(loads["front"], loads["bare"], strict=True)
        ),
        "rss_mb": max(rss),
        "ready_cpu_seconds": statistics.median(ready_cpu),
        **{f"{subject}_rps": rate for subject, rate in rates.items()},
    }


def soak(environment: dict[str, str], folder: Path, seconds: float) -> dict[str, float]:
    """Growth of resident memory under load, from the moment it settled."""
    with serving("front", environment, folder) as served:
        apply_load(served.port, SETTLING_SECONDS, folder)
        settled = served.rss_megabytes()
        apply_load(served.port, seconds, folder)
        growth = served.rss_megabytes() - settled
    _say(f"soak: {growth:+.2f} MB in {seconds:.0f} s")
    return {SOAK_KEY: growth}


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.front", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: short, one round, no soak")
    quick = parser.parse_args(arguments).quick
    plan = QUICK if quick else FULL
    packages.ensure(("wrk", "taskset"), Stages())
    with tempfile.TemporaryDirectory(prefix="bench-front-") as name:
        folder = Path(name)
        environment = prepare(folder)
        metrics = in_process(environment, folder, plan) | over_http(environment, folder, plan)
        if plan.soak_seconds:
            metrics |= soak(environment, folder, plan.soak_seconds)
    goals = {key: goal for key, goal in GOALS.items() if plan.soak_seconds or key != SOAK_KEY}
    met = write_report("front-quick" if quick else "front", metrics, goals)
    return 0 if met or quick else 1


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
