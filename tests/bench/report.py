"""What every benchmark leaves behind: a table for people and ``build/bench/<suite>.json`` for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

BENCH_FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"


@dataclass(frozen=True)
class Goal:
    """What a figure is measured against: at most or at least a value."""

    sense: Literal["<=", ">="]
    value: float

    def met(self, figure: float) -> bool:
        """Whether a figure reaches the goal."""
        return figure <= self.value if self.sense == "<=" else figure >= self.value


def machine() -> str:
    """The machine in words that say nothing about its owner: '2 cores, x86-64, 24 GB'."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {platform.machine().replace('_', '-')}, {memory:.0f} GB"


def write_report(
    suite: str, metrics: Mapping[str, float], goals: Mapping[str, Goal], *, folder: Path = BENCH_FOLDER
) -> bool:
    """Write the suite's file, print the table, and say whether every goal was met.

    A goal without a figure counts as not met only when it was promised: leave its key out of ``goals`` where
    the run did not measure it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "suite": suite,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine(),
        "metrics": {key: round(value, 4) for key, value in metrics.items()},
    }
    path = folder / f"{suite}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(table(suite, metrics, goals))
    print(f"written to {path.relative_to(folder.parents[1])}")
    return all(key in metrics and goal.met(metrics[key]) for key, goal in goals.items())


def table(suite: str, metrics: Mapping[str, float], goals: Mapping[str, Goal]) -> str:
    """Figures beside their goals, missed ones marked."""
    width = max(map(len, [*metrics, *goals]))
    lines = [f"{suite}: {machine()}", f"{'figure':<{width}}  {'measured':>12}  goal"]
    for key in [*metrics, *(key for key in goals if key not in metrics)]:
        figure, goal = metrics.get(key), goals.get(key)
        shown = "not measured" if figure is None else f"{figure:.6g}"
        wanted = f"{goal.sense} {goal.value:g}" if goal else ""
        missed = "  MISSED" if goal and (figure is None or not goal.met(figure)) else ""
        lines.append(f"{key:<{width}}  {shown:>12}  {wanted}{missed}".rstrip())
    return "\n".join(lines)
