"""``python -m tests.bench.serving``: one model behind seven servers, each on one core, load from the other, by turns.

The same ONNX file, row and machine: the least ASGI application, the front, plain BentoML, KServe's Python server,
LitServe, Triton, and the front with Triton beside it; at 1, 16 and 64 connections. ``--quick`` is one short round; its
figures are no figures. ``--only`` names servers and leaves the ratios out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster import packages
from localcluster.stages import Stages
from tests.bench.front.in_process import measure
from tests.bench.front.load import Served, apply_load
from tests.bench.front.workload import MODEL_VARIABLE, prepare
from tests.bench.report import Goal, write_report
from tests.bench.serving.batching import batch_over_row, batched_over_unbatched
from tests.bench.serving.contestants import NAMES, Arena, Name, request_of, serving
from tests.bench.serving.measuring import Sample, comparison, medians, ratios
from tests.bench.serving.rivals import KSERVE, environment
from tests.unit.front.artifacts import deep_graph

CONNECTIONS: Final = (1, 16, 64)
GOALS: Final[Mapping[str, Goal]] = {
    "bentoml_http_cpu_over_front": Goal(">=", 6),
    "kserve_http_cpu_over_front": Goal(">=", 4),
    "litserve_http_cpu_over_front": Goal(">=", 6),
    "front_triton_over_triton_cpu": Goal("<=", 3),
    "batched_over_unbatched_64": Goal(">=", 2),
    "short_batched_over_unbatched_64": Goal(">=", 0.95),
    "batch_16_over_row": Goal("<=", 2),
    "cache_hit_cpu_us": Goal("<=", 150),
}


@dataclass(frozen=True)
class Plan:
    """How long each part takes."""

    rounds: int
    seconds: float


FULL: Final = Plan(rounds=3, seconds=6)
QUICK: Final = Plan(rounds=1, seconds=1)


def rounds(arena: Arena, names: Sequence[Name], plan: Plan) -> dict[tuple[str, int], list[Sample]]:
    """Every server under every load, by turns, so that a busy minute meets them all."""
    runs: dict[tuple[str, int], list[Sample]] = {(name, count): [] for name in names for count in CONNECTIONS}
    for number in range(plan.rounds):
        for name in names:
            with serving(name, arena) as served:
                for count in CONNECTIONS:
                    runs[name, count].append(sample := _sample(name, served, arena, count, plan.seconds))
                    seen = f"{sample.load.requests_per_second:.0f}/s, {sample.cpu_microseconds:.0f} us"
                    _say(f"round {number + 1}: {name}, {count} connections: {seen}")
    return runs


def _sample(name: Name, served: Served, arena: Arena, connections: int, seconds: float) -> Sample:
    request = request_of(name)
    apply_load(served.port, seconds / 4, arena.folder, connections=connections, request=request)
    before = served.cpu_seconds()
    load = apply_load(served.port, seconds, arena.folder, connections=connections, request=request)
    return Sample(load, served.cpu_seconds() - before, served.rss_megabytes())


def batching(arena: Arena, folder: Path, plan: Plan) -> dict[str, float]:
    """What batches are worth where a batch is cheap, and where a row is."""
    folder.mkdir()
    deep = prepare(folder, graph=deep_graph())
    figures = {
        "batch_16_over_row": batch_over_row(Path(deep[MODEL_VARIABLE])),
        "batched_over_unbatched_64": batched_over_unbatched(
            Arena(folder, deep, arena.kserve), plan.rounds, plan.seconds
        ),
        "short_batched_over_unbatched_64": batched_over_unbatched(arena, plan.rounds, plan.seconds),
    }
    _say(", ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    return figures


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Other runs than whole ones have files of their
    own."""
    parser = argparse.ArgumentParser(prog="tests.bench.serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: short, one round")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="SERVER", help=f"of {', '.join(NAMES)}")
    options = parser.parse_args(arguments)
    plan, names = QUICK if options.quick else FULL, tuple(options.only or NAMES)
    packages.ensure(("wrk", "taskset"), Stages())
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as name:
        folder = Path(name)
        arena = Arena(folder, prepare(folder), environment(KSERVE, Stages()))
        figures = medians(rounds(arena, names, plan))
        if options.only:
            print(comparison(figures, names, CONNECTIONS))
            return 0
        promised = ratios(figures) | batching(arena, folder / "deep", plan)
        promised["cache_hit_cpu_us"] = measure("hit", arena.environment, core=0, rounds=3)
    met = write_report("serving-quick" if options.quick else "serving", promised | figures, GOALS)
    print(comparison(figures, names, CONNECTIONS))
    return 0 if met or options.quick else 1


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
