"""``python -m tests.bench.scaling``: how a model follows its load with KEDA, on the local cluster.

A step in the load, a start from no pod, and a day of calls to a bank's call centre, replayed 60 times as fast: each of
its 169 five-minute counts is sent in five seconds. What KEDA and Kubernetes wait for is no faster: 15 seconds between
two looks are a quarter of an hour of that day. ``--replay`` leaves the first two out; ``--quick`` replays two hours of
the morning, and its figures are no figures. The picture of the replay goes beside the figures, or to ``--picture``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demo.errors import DemoError
from demo.target import wait_for
from localcluster.commands import run
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages
from marquee.contract.training import TrainingError
from tests.bench.report import BENCH_FOLDER, Goal, write_report
from tests.bench.scaling.arrivals import FIRST_HOUR, INTERVAL_SECONDS, NotTheArrivalsError, day
from tests.bench.scaling.measuring import (
    ANSWERED,
    Replicas,
    document,
    intervals,
    percentile,
    pod_seconds,
    slo_kept_share,
)
from tests.bench.scaling.replay import Answer, Replay, due_times
from tests.bench.scaling.steps import cold_start_seconds, scale_up_seconds
from tests.bench.scaling.world import (
    BY_REQUESTS,
    INPUTS,
    OBJECTIVE_MILLISECONDS,
    History,
    apply,
    serve,
    standing,
    watching,
)
from tests.bench.serving.rivals import environment
from tests.support.place import Place

GOALS: Final[Mapping[str, Goal]] = {"slo_kept_share": Goal(">=", 0.99)}
SPEED: Final = 60
DAY: Final = 1
PLOT: Final = PACKAGE.parent / "requirements" / "plot.txt"


@dataclass(frozen=True)
class Plan:
    """Which intervals of the day are replayed."""

    first: int
    last: int

    @property
    def hour(self) -> float:
        """At which it begins."""
        return FIRST_HOUR + self.first * INTERVAL_SECONDS / 3600


FULL: Final = Plan(0, 169)
QUICK: Final = Plan(12, 36)


@dataclass(frozen=True)
class Replayed:
    """A replay that is over."""

    answers: list[Answer]
    replicas: list[Replicas]
    seconds: float

    def figures(self) -> dict[str, float]:
        """By the keys of the report."""
        most = max(one.ready for one in self.replicas)
        answered = [answer.seconds for answer in self.answers if answer.status == ANSWERED]
        return {
            "slo_kept_share": slo_kept_share(self.answers, OBJECTIVE_MILLISECONDS / 1e3),
            "replay_requests": float(len(self.answers)),
            "replay_failed": float(len(self.answers) - len(answered)),
            "replay_p99_ms": 1e3 * percentile(answered, 99),
            "replay_most_pods": float(most),
            "replay_pods_over_most": pod_seconds(self.replicas, self.seconds) / (most * self.seconds),
        }


def replay(url: str, history: History, counts: Sequence[int]) -> Replayed:
    """Send what these intervals have, and keep what was seen."""
    seconds = INTERVAL_SECONDS / SPEED
    started = time.monotonic()
    sender = Replay(f"{url}/predict", {"inputs": INPUTS})
    answers = asyncio.run(sender.run(due_times(counts, seconds)))
    return Replayed(answers, history.since(started), len(counts) * seconds)


def draw(found: Replayed, plan: Plan, picture: Path, stages: Stages) -> None:
    """The data of the picture, and the picture."""
    seconds = INTERVAL_SECONDS / SPEED
    pieces = intervals(found.answers, found.replicas, count=plan.last - plan.first, seconds=seconds)
    data: dict[str, Any] = document(
        pieces, objective_milliseconds=OBJECTIVE_MILLISECONDS, speed=SPEED, first_hour=plan.hour
    )
    BENCH_FOLDER.mkdir(parents=True, exist_ok=True)
    file = BENCH_FOLDER / "scaling-replay.json"
    file.write_text(json.dumps(data) + "\n", encoding="utf-8")
    run([environment(PLOT, stages), Path(__file__).with_name("plotting.py"), file, picture])
    stages.say(f"picture: {picture}")


def measure(place: Place, plan: Plan, picture: Path, stages: Stages, *, replay_only: bool) -> dict[str, float]:
    """All parts, one after the other, with the same model."""
    counts = [int(calls) for calls in day(DAY, cache_root() / "data")[plan.first : plan.last]]
    url = serve(place, BY_REQUESTS)
    figures: dict[str, float] = {}
    with watching(place) as history:
        if not replay_only:
            figures["scale_up_seconds"] = asyncio.run(scale_up_seconds(place, url, history))
            stages.say(f"scale_up_seconds {figures['scale_up_seconds']:.1f}")
            figures["cold_start_seconds"] = cold_start_seconds(place, url, history)
            stages.say(f"cold_start_seconds {figures['cold_start_seconds']:.1f}")
            apply(place, BY_REQUESTS)
        wait_for("one pod", lambda: True if history.ready == 1 else None, timeout_seconds=300)
        stages.say(f"replay: {sum(counts)} requests in {len(counts) * INTERVAL_SECONDS / SPEED:.0f} s")
        found = replay(url, history, counts)
    draw(found, plan, picture, stages)
    return figures | found.figures()


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: two hours of the day")
    parser.add_argument("--replay", action="store_true", help="the replay alone")
    parser.add_argument("--picture", type=Path, default=BENCH_FOLDER / "scaling.png")
    options = parser.parse_args(arguments)
    stages, suite = Stages(), "scaling-quick" if options.quick else "scaling-replay" if options.replay else "scaling"
    try:
        with standing(stages) as place:
            plan = QUICK if options.quick else FULL
            figures = measure(place, plan, options.picture, stages, replay_only=options.replay)
    except (DemoError, TrainingError, NotTheArrivalsError, TimeoutError) as error:
        print(f"bench-scaling: {error}", file=sys.stderr)
        return 1
    met = write_report(suite, figures, GOALS)
    return 0 if met or options.quick else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
